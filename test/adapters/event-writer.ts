// A process that notes events: folder, its number, how many.
import { eventJournal } from '../../src/adapters/event-journal.ts'
import { loadAddon } from '../../src/native/load.ts'

const [folder = '', writer = '', count = ''] = process.argv.slice(2)
// Small segments, so that all of the writers rotate, and as many as are needed to keep everything.
const journal = eventJournal({
  addon: loadAddon(),
  arch: process.arch === 'arm64' ? 'arm64' : 'x64',
  folder,
  segmentBytes: 8192,
  segments: 10_000,
})
for (let index = 0; index < Number(count); index++)
  journal.note({ Type: 'image', Action: 'tag', Actor: { ID: `${writer}.${index}`, Attributes: {} } })
journal.close()
