/** Writes the result of a command: whole or not at all, and never over one of its inputs. */

import { randomUUID } from "node:crypto";
import { realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

const realPath = (path) => realpath(path).catch(() => resolve(path));
const statusOf = (path) => stat(path).catch(() => undefined);

/**
 * The path that a result replaces, behind links, and whether it is a device or pipe, which is written directly.
 * @throws {Error} if it cannot be written, or is one of the pictures
 */
export async function placeOf(output, pictures) {
  const path = await realPath(output);
  const old = await statusOf(path);
  if (old?.isDirectory()) throw new Error("is a folder");
  if (!old && !(await statusOf(dirname(path)))) throw new Error("its folder does not exist");
  for (const picture of pictures) {
    if ((await realPath(picture)) === path) throw new Error("is one of the pictures, which are never overwritten");
  }
  return { path, direct: old !== undefined && !old.isFile() };
}

/** Writes a file whole or not at all. */
export async function write({ path, direct }, text) {
  if (direct) return writeFile(path, text);
  const part = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(part, text);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
