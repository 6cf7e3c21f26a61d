/** A picture as the background of an image's own box, after which the page's styles are what they were. */

const STYLES = ["background-image", "background-size", "background-position", "background-origin", "background-repeat"];

export class Background {
  address = null; // of the picture that is shown
  styles = null; // for each of STYLES: the page's value and priority, and ours

  constructor(img) {
    this.img = img;
  }

  /** Shows a Blob once it is ready to be drawn, if it is `wanted()` then. */
  async show(blob, wanted) {
    const address = URL.createObjectURL(blob);
    const bitmap = Object.assign(new Image(), { src: address });
    const ready = await bitmap.decode().then(() => true, () => false);
    const touched = this.styles && this.img.style.backgroundImage !== this.styles[0][2]; // by the page: it stays so
    if (!ready || touched || !wanted()) {
      URL.revokeObjectURL(address);
      if (ready) return;
      throw new Error("the page's policy refuses images of blob: (img-src)");
    }
    const { style } = this.img;
    const { objectFit, objectPosition } = getComputedStyle(this.img);
    const fit = objectFit === "cover" || objectFit === "contain" ? objectFit : "100% 100%";
    const values = [`url(${address})`, fit, objectPosition, "content-box", "no-repeat"];
    this.styles = STYLES.map((name, i) => {
      const [value, priority] = this.styles?.[i] ?? [style.getPropertyValue(name), style.getPropertyPriority(name)];
      style.setProperty(name, values[i]);
      return [value, priority, style.getPropertyValue(name)];
    });
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = address;
  }

  remove() {
    if (!this.address) return;
    const { style } = this.img;
    STYLES.forEach((name, i) => {
      const [value, priority, ours] = this.styles[i];
      if (style.getPropertyValue(name) === ours) style.setProperty(name, value, priority);
    });
    URL.revokeObjectURL(this.address);
  }
}
