"use client";
/** `<Preview>` for React. */

import { createElement, useEffect } from "react";
import { startOnce } from "./once.js";

/** See react.d.ts. */
export function Preview({ colour, style, ...image }) {
  useEffect(startOnce, []);
  return createElement("img", { ...image, style: colour ? { backgroundColor: colour, ...style } : style });
}
