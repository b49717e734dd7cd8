// Whatever people type: the parsers answer, and never throw.
import fc from 'fast-check'
import * as E from '#fp/Either'
import { parseArgs } from '../../../src/cli/args.ts'
import { compileFormat } from '../../../src/cli/format.ts'
import { wrap } from '../../../src/cli/help.ts'
import { csvFields, parseMount, parseTmpfs, parseVolume } from '../../../src/cli/mount-flags.ts'
import { runFlags } from '../../../src/cli/run-flags.ts'
import { bar, printable } from '../../../src/cli/table.ts'
import { message } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/properties')

const grammar = { flags: runFlags, stopsAtPositional: true, positionals: { min: 0 }, usage: '' }
const flagName = fc.constantFrom(...Object.keys(runFlags))
const word = fc.oneof(
  fc.string(),
  flagName.map((name) => `--${name}`),
  fc.tuple(flagName, fc.string()).map(([name, value]) => `--${name}=${value}`),
  fc.string().map((text) => `-${text}`),
)

test('any list of words is arguments, help or a usage error of one line', () => {
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const parsed = parseArgs(grammar, words)
      return E.isRight(parsed) || parsed.left.message !== ''
    }),
  )
})

test('what comes after the image is handed on word by word', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      const parsed = parseArgs(grammar, ['--rm', 'img', ...words])
      assert.ok(E.isRight(parsed) && parsed.right._tag === 'Args')
      if (E.isRight(parsed) && parsed.right._tag === 'Args')
        assert.equal(parsed.right.args.positionals, ['img', ...words])
    }),
  )
})

test('a value after the equals sign arrives unchanged, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      for (const words of [[`--name=${value}`], ['--name', value], [`-e=${value}`]]) {
        const parsed = parseArgs(grammar, words)
        assert.ok(E.isRight(parsed) && parsed.right._tag === 'Args')
        if (E.isRight(parsed) && parsed.right._tag === 'Args')
          assert.ok(
            [parsed.right.args.flags.name, ...(parsed.right.args.flags.env as string[])].includes(value),
          )
      }
    }),
  )
})

const mountText = fc.oneof(
  fc.string(),
  fc
    .array(
      fc.tuple(
        fc.constantFrom('type', 'src', 'dst', 'ro', 'tmpfs-mode', 'volume-opt', 'idmap', 'x'),
        fc.constantFrom('bind', 'tmpfs', 'volume', 'image', '/a', 'true', '7', '"'),
      ),
    )
    .map((pairs) => pairs.map(([key, value]) => `${key}=${value}`).join(',')),
)

test('any text of a mount is a mount with an absolute target, or an error with a message', () => {
  fc.assert(
    fc.property(mountText, (text) => {
      for (const got of [parseMount(text, '/here'), parseTmpfs(text), parseVolume(text, '/here')]) {
        if (E.isLeft(got)) assert.ok(message(got.left).startsWith('--'))
        else assert.ok(got.right.target.startsWith('/'))
      }
    }),
  )
})

test('fields written as RFC 4180 says are read back', () => {
  const quote = (field: string) => `"${field.replaceAll('"', '""')}"`
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (fields) => {
      assert.equal(csvFields(fields.map(quote).join(',')), fields)
    }),
  )
})

const template = fc.oneof(
  fc.string(),
  fc
    .array(
      fc.constantFrom('{{', '}}', '.ID', 'json ', '(', ')', '|', '"', '`', ' - ', 'x', 'index ', '.', '7'),
    )
    .map((parts) => parts.join('')),
)

test('any template is understood or refused, and renders or fails with a message', () => {
  fc.assert(
    fc.property(template, (text) => {
      const format = compileFormat(text)
      if (E.isLeft(format)) return format.left.message.startsWith('--format: ')
      const rendered = format.right.render({ ID: 'x', List: [1] })
      return E.isRight(rendered) || rendered.left.message.startsWith('--format: ')
    }),
  )
})

test('text without braces is its own template', () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/[{\\]|^table|^json$/.test(text)),
      (text) => {
        const format = compileFormat(text)
        assert.ok(E.isRight(format))
        if (E.isRight(format)) assert.equal(format.right.render({}), E.right(text))
      },
    ),
  )
})

test('printable text has no control characters and keeps the rest', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be left
      assert.not(/[\u0000-\u001f\u007f-\u009f]/.test(printable(text)))
      assert.is(printable(printable(text)), printable(text))
    }),
  )
})

test('a bar is never longer than its columns', () => {
  fc.assert(
    fc.property(fc.double(), fc.integer({ min: 1, max: 100 }), fc.boolean(), (share, columns, utf8) => {
      assert.ok(bar(share, columns, utf8).length <= columns)
    }),
  )
})

test('wrapping keeps every word in order', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^\S+$/)), fc.integer({ min: 1, max: 40 }), (words, width) => {
      assert.is(wrap(words.join(' '), width).join(' ').trim(), words.join(' ').trim())
    }),
  )
})

test.run()
