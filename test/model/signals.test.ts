// Signal names and numbers, against the machine's own table.
import { constants } from 'node:os'
import { parseSignal, signalName, signalNumber } from '../../src/model/signals.ts'
import { expectMessage, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const Signals = suite('model/signals')

Signals('every signal of this machine has the number this machine gives it', () => {
  const wrong = Object.entries(constants.signals).filter(([name, number]) => signalNumber(name) !== number)
  assert.equal(wrong, [])
})

Signals('the name of every standard number leads back to it', () => {
  for (let number = 1; number <= 31; number++) assert.is(signalNumber(signalName(number)), number)
})

Signals('the name of every real-time number leads back to it', () => {
  for (let number = 34; number <= 64; number++) assert.is(signalNumber(signalName(number)), number)
})

const accepted: readonly (readonly [written: string | number, number: number])[] = [
  ['SIGTERM', 15],
  ['term', 15],
  ['sigterm', 15],
  ['15', 15],
  [9, 9],
  ['SIGIOT', 6],
  ['CLD', 17],
  ['POLL', 29],
  ['RTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['SIGRTMIN+30', 64],
  ['RTMAX-14', 50],
  ['SIGRTMAX', 64],
]
for (const [written, number] of accepted) {
  Signals(`${written} is signal ${number}`, () =>
    assert.is(expectRight(parseSignal(written, 'stopSignal')), number),
  )
}

const refused = [
  '',
  'SIG',
  'TERMINATE',
  '0',
  '65',
  '-9',
  '9.5',
  'RTMIN+31',
  'RTMAX-31',
  'RTMIN-1',
  'RTMAX+1',
  0,
  65,
  1.5,
]
for (const written of refused) {
  Signals(`${JSON.stringify(written)} is no signal`, () => {
    const text = JSON.stringify(String(written))
    assert.is(expectMessage(parseSignal(written, 'stopSignal')), `stopSignal: ${text}: no such signal`)
  })
}

Signals('a number without a name is shown as a number', () => {
  assert.equal([0, 32, 33, 65].map(signalName), ['signal 0', 'signal 32', 'signal 33', 'signal 65'])
})

Signals.run()
