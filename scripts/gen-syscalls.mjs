#!/usr/bin/env node
// Writes src/plan/syscalls/table-*.ts: what system calls are called and numbered on each architecture.
//
// Source of facts: libseccomp on this machine (Debian: libseccomp-dev), asked for every name its header lists on each
// architecture, and NEWER below for what Debian 12's 2.5.4 does not know. Usage: node scripts/gen-syscalls.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const HEADER = '/usr/include/seccomp-syscalls.h'
const X32_BIT = 0x40000000

const ARCHES = [
  { file: 'x64', name: 'SYSCALLS_X64_TEXT', scmp: 'SCMP_ARCH_X86_64', title: 'x86-64' },
  { file: 'x86', name: 'SYSCALLS_X86_TEXT', scmp: 'SCMP_ARCH_X86', title: 'i386' },
  {
    file: 'x32',
    name: 'SYSCALLS_X32_TEXT',
    scmp: 'SCMP_ARCH_X32',
    title: 'x32 (without its bit 0x40000000)',
  },
  { file: 'arm64', name: 'SYSCALLS_ARM64_TEXT', scmp: 'SCMP_ARCH_AARCH64', title: 'arm64' },
  { file: 'arm', name: 'SYSCALLS_ARM_TEXT', scmp: 'SCMP_ARCH_ARM', title: 'arm (EABI)' },
]

// Linux 6.7 to 7.1, uapi asm-generic/unistd.h and arch/x86/entry/syscalls/syscall_64.tbl. From 424 on, a call has
// the same number on all five architectures.
const NEWER = {
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
  listns: 470,
  rseq_slice_yield: 471,
}
const NEWER_X86_64 = { uretprobe: 335, uprobe: 336 }
const NEWER_X32 = { map_shadow_stack: 453 }
const newer = ({ file }) => ({
  ...NEWER,
  ...(file === 'x64' || file === 'x32' ? NEWER_X86_64 : {}),
  ...(file === 'x32' ? NEWER_X32 : {}),
})

/** A C program that prints `arch name number` for every number that has a name and every name that has a number. */
const PROGRAM = `
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const unsigned arches[] = {${ARCHES.map(({ scmp }) => scmp).join(', ')}};
int main(void) {
  char name[256];
  for (int a = 0; a < ${ARCHES.length}; a++) {
    const int bit = arches[a] == SCMP_ARCH_X32 ? ${X32_BIT} : 0;
    for (int nr = 0; nr < 1024; nr++) {
      char *found = seccomp_syscall_resolve_num_arch(arches[a], nr | bit);
      if (found) printf("%d %s %d\\n", a, found, nr);
      free(found);
    }
  }
  while (fgets(name, sizeof name, stdin)) {
    name[strcspn(name, "\\n")] = 0;
    for (int a = 0; a < ${ARCHES.length}; a++) {
      const int nr = seccomp_syscall_resolve_name_arch(arches[a], name);
      if (nr >= 0) printf("%d %s %d\\n", a, name, nr & ~${X32_BIT});
    }
  }
}
`

const askLibseccomp = () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'slipway-syscalls-'))
  try {
    writeFileSync(path.join(dir, 'ask.c'), PROGRAM)
    execFileSync('cc', ['-o', path.join(dir, 'ask'), path.join(dir, 'ask.c'), '-lseccomp'])
    const names = [...readFileSync(HEADER, 'utf8').matchAll(/\b__SNR_(\w+)/g)].map(([, name]) => name)
    const input = `${[...new Set(names)].join('\n')}\n`
    return execFileSync(path.join(dir, 'ask'), { input, encoding: 'utf8' }).trim().split('\n')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** One Map name -> number for each architecture. A newer libseccomp that disagrees with NEWER is an error. */
const tables = () => {
  const all = ARCHES.map(() => new Map())
  const add = (index, name, number) => {
    const known = all[index].get(name)
    if (known !== undefined && known !== number)
      throw new Error(`${ARCHES[index].title}: ${name} is ${known} and ${number}`)
    all[index].set(name, number)
  }
  for (const line of askLibseccomp()) {
    const [index, name, number] = line.split(' ')
    add(Number(index), name, Number(number))
  }
  ARCHES.forEach((arch, index) => {
    for (const [name, number] of Object.entries(newer(arch))) add(index, name, number)
  })
  return all
}

/** `0 read write …`: a number gives that of the next name, and each name counts one up. */
const asText = (table) => {
  const words = []
  let next = -1
  for (const [name, number] of [...table].sort(([a, m], [b, n]) => m - n || (a < b ? -1 : 1))) {
    if (number !== next) words.push(String(number))
    words.push(name)
    next = number + 1
  }
  return wrap(words).join('\n')
}

const wrap = (words) => {
  const lines = []
  let line = ''
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > 108) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line]
}

const write = ({ file, name, title }, table) => {
  const head = `// System calls of ${title} by number, for index.ts to read. Written by scripts/gen-syscalls.mjs; not to be edited.`
  writeFileSync(
    `src/plan/syscalls/table-${file}.ts`,
    `${head}\nexport const ${name} = \`\n${asText(table)}\n\`\n`,
  )
  console.log(`${title}: ${table.size} names`)
}

process.chdir(path.join(path.dirname(fileURLToPath(import.meta.url)), '..'))
const all = tables()
ARCHES.forEach((arch, index) => {
  write(arch, all[index])
})
