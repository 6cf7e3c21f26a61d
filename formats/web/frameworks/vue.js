/** `<Preview>` for Vue. */

import { defineComponent, h, onMounted } from "vue";
import { startOnce } from "./once.js";

/** See vue.d.ts. */
export const Preview = defineComponent({
  name: "Preview",
  props: { colour: String },
  setup(props) {
    onMounted(startOnce);
    return () => h("img", props.colour ? { style: { backgroundColor: props.colour } } : {}); // Vue adds what else is given
  },
});
