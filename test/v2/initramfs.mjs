// A cpio archive in the kernel's format "newc" (kernel documentation, driver-api/early-userspace/buffer-format).
const DIRECTORY = 0o040755
const FILE = 0o100755
const SYMLINK = 0o120777

const pad = (bytes) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])

const entry = (inode, name, mode, content) => {
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([pad(Buffer.from(`${header}${name}\0`)), pad(content)])
}

const parents = (name) =>
  name
    .split('/')
    .slice(0, -1)
    .map((_, at, parts) => parts.slice(0, at + 1).join('/'))

/** Packs `files` (path → content) and `links` (path → target) with the folders they need. */
export const packInitramfs = (files, links) => {
  const names = [...Object.keys(files), ...Object.keys(links)]
  const folders = [...new Set(names.flatMap(parents))].sort()
  let inode = 1
  return Buffer.concat([
    ...folders.map((name) => entry(inode++, name, DIRECTORY, Buffer.alloc(0))),
    ...Object.entries(files).map(([name, content]) => entry(inode++, name, FILE, Buffer.from(content))),
    ...Object.entries(links).map(([name, target]) => entry(inode++, name, SYMLINK, Buffer.from(target))),
    entry(0, 'TRAILER!!!', 0, Buffer.alloc(0)),
  ])
}
