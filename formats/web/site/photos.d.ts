/** Types of `import photo from "./a.jpg?preview"`: `/// <reference types="tokcodec/photos" />` anywhere. */

declare module "*?preview" {
  const photo: import("./preview.js").Photo & { src: string };
  export default photo;
}
