/** Types of `import photo from "./a.jpg?preview"`: `import type {} from "tokcodec/photos"` anywhere in the project. */

declare module "*?preview" {
  const photo: import("./preview.js").Photo & { src: string };
  export default photo;
}
