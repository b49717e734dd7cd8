// Lists of CPUs and memory nodes, and the bit masks they become.
import { bitMask, numberList } from '../../src/model/number-list.ts'
import { assert, suite } from '../support/suite.ts'

const NumberList = suite('model/number-list')

NumberList('single numbers and ranges are read, in any order', () => {
  assert.equal(numberList('7, 0-3,2'), [0, 1, 2, 3, 7])
})

NumberList('what is no list is none', () => {
  for (const text of ['', 'a', '1-', '3-1', '1,,2', '-1', '0-999999', '1;2'])
    assert.is(numberList(text), undefined, text)
})

NumberList('a mask is whole words with the bits of the numbers', () => {
  assert.equal([...bitMask([0, 9])], [1, 2, 0, 0, 0, 0, 0, 0])
  assert.is(bitMask([64]).length, 16)
  assert.equal([...bitMask([])], [0, 0, 0, 0, 0, 0, 0, 0])
})

NumberList.run()
