/** Shows a picture as an image's background, and restores the page's styles. */

const STYLES = ["image", "size", "position", "origin", "clip", "repeat"].map((name) => `background-${name}`);

/** @typedef {{ value: string, priority: string, ours: string }} Style the page's value and ours */

export class Background {
  /** @type {string | null} */
  #address = null; // of the picture that is shown
  /** @type {Style[] | null} */
  #styles = null; // in the order of STYLES

  /** @param {HTMLImageElement} img */
  constructor(img) {
    this.img = img;
  }

  /**
   * Shows a picture once it is ready to be drawn.
   * @param {Blob} blob
   * @param {() => boolean} wanted whether to show it then
   */
  async show(blob, wanted) {
    const address = URL.createObjectURL(blob);
    const bitmap = Object.assign(new Image(), { src: address });
    const ready = await bitmap.decode().then(
      () => true,
      () => false,
    );
    const { style } = this.img;
    const changed = this.#styles && style.backgroundImage !== this.#styles[0].ours; // by the page, which is respected
    if (!ready || changed || !wanted()) {
      URL.revokeObjectURL(address);
      if (ready) return;
      throw new Error("the page's policy refuses images of blob: (img-src)");
    }
    const { objectFit, objectPosition } = getComputedStyle(this.img);
    const fit = objectFit === "cover" || objectFit === "contain" ? objectFit : "100% 100%";
    const values = [`url(${address})`, fit, objectPosition, "content-box", "content-box", "no-repeat"];
    this.#styles = STYLES.map((name, i) => {
      const { value, priority } = this.#styles?.[i] ?? {
        value: style.getPropertyValue(name),
        priority: style.getPropertyPriority(name),
      };
      style.setProperty(name, values[i]);
      return { value, priority, ours: style.getPropertyValue(name) };
    });
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = address;
  }

  /** Restores the page's styles that are still ours. */
  remove() {
    if (!this.#address) return;
    const { style } = this.img;
    this.#styles?.forEach(({ value, priority, ours }, i) => {
      if (style.getPropertyValue(STYLES[i]) === ours) style.setProperty(STYLES[i], value, priority);
    });
    URL.revokeObjectURL(this.#address);
  }
}
