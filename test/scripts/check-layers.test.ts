// The layer check on arrows that must and must not be.
import { assert, suite } from '../support/suite.ts'
import { runScript, withProject } from './project.ts'

const check = (file: string, text: string) =>
  withProject({ [file]: text }, (root) => runScript('check-layers.mjs', root))

const REFUSED: readonly (readonly [name: string, file: string, text: string, fault: RegExp])[] = [
  ['model imports plan', 'src/model/a.ts', `import { b } from '../plan/b.ts'`, /points back/],
  ['model imports a type of plan', 'src/model/a.ts', `import type { B } from '../plan/b.ts'`, /points back/],
  [
    'an import over several lines',
    'src/model/a.ts',
    `import {\n  b,\n  c,\n} from '../plan/b.ts'`,
    /points back/,
  ],
  ['a re-export', 'src/plan/a.ts', `export { b } from '../engine/b.ts'`, /points back/],
  ['an import for its effect', 'src/plan/a.ts', `import '../adapters/b.ts'`, /points back/],
  ['a dynamic import', 'src/plan/a.ts', `const b = await import('../adapters/b.ts')`, /points back/],
  ['engine imports an adapter', 'src/engine/a.ts', `import { b } from '../adapters/b.ts'`, /points back/],
  [
    'an adapter imports a program',
    'src/adapters/a.ts',
    `import { b } from '../engine/pull.ts'`,
    /points back/,
  ],
  [
    'the command line imports the engine',
    'src/cli/a.ts',
    `import { b } from '../engine/b.ts'`,
    /points back/,
  ],
  [
    'a name that only begins like an allowed one',
    'src/cli/a.ts',
    `import { b } from '../model2/b.ts'`,
    /points back/,
  ],
  ['model touches the host', 'src/model/a.ts', `import { readFileSync } from 'node:fs'`, /touches no host/],
  ['plan touches the host', 'src/plan/x/a.ts', `import fs from 'node:fs/promises'`, /touches no host/],
  ['a package', 'src/engine/a.ts', `import { z } from 'zod'`, /no package/],
  [
    'an import out of src',
    'src/engine/a.ts',
    `import { z } from '../../test/support/suite.ts'`,
    /outside of src/,
  ],
  ['a folder nobody knows', 'src/utils/a.ts', `import { b } from './b.ts'`, /has no rule/],
  ['launch includes binding', 'native/launch/a.cc', `#include "binding/b.h"`, /points back/],
  ['sys includes launch', 'native/sys/a.h', `#  include "launch/plan.h"`, /points back/],
  ['layer includes launch', 'native/layer/a.cc', `#include "launch/plan.h"`, /points back/],
  ['the helper includes binding', 'native/init/a.cc', `#include "binding/b.h"`, /points back/],
  ['launch includes napi.h', 'native/launch/a.cc', `#include <napi.h>`, /only binding/],
  ['sys includes node_api.h', 'native/sys/a.h', `#include <node_api.h>`, /only binding/],
]

const Refused = suite('check-layers/refused')
for (const [name, file, text, fault] of REFUSED) {
  Refused(`${name} is refused`, () => {
    const { status, lines } = check(file, `// A file.\n${text}\n`)
    assert.is(status, 1)
    assert.is(lines.length, 1)
    assert.match(lines[0] ?? '', fault)
    assert.match(lines[0] ?? '', `${file} -> `)
  })
}
Refused.run()

const ALLOWED: readonly (readonly [name: string, file: string, text: string])[] = [
  ['plan imports model', 'src/plan/a.ts', `import { b } from '../model/b.ts'`],
  ['engine imports plan', 'src/engine/a.ts', `import { b } from '../plan/launch/b.ts'`],
  ['an adapter imports a port', 'src/adapters/a.ts', `import type { B } from '../engine/ports/b.ts'`],
  ['an adapter imports the ports', 'src/adapters/a.ts', `import type { B } from '../engine/ports.ts'`],
  ['fp-ts by its own name', 'src/model/a.ts', `import * as TE from '#fp/TaskEither'`],
  ['a type of Node in model', 'src/model/a.ts', `import type { Readable } from 'node:stream'`],
  ['the front door imports everything', 'src/index.ts', `export { b } from './adapters/live.ts'`],
  ['an arrow inside a comment', 'src/model/a.ts', `/* import { b } from '../plan/b.ts' */`],
  [
    'binding includes launch and napi.h',
    'native/binding/a.cc',
    `#include <napi.h>\n#include "launch/launch.h"`,
  ],
  ['launch includes sys', 'native/launch/a.cc', `#include "sys/raw.h"`],
  ['the helper includes launch', 'native/init/a.cc', `#include "launch/executor.h"`],
]

const Allowed = suite('check-layers/allowed')
for (const [name, file, text] of ALLOWED) {
  Allowed(`${name} is allowed`, () => assert.equal(check(file, `${text}\n`), { status: 0, lines: [] }))
}
Allowed('this project has no arrow that points back', () => {
  assert.equal(runScript('check-layers.mjs'), { status: 0, lines: [] })
})
Allowed.run()
