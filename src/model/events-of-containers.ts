// What verbs on containers tell the journal, with Docker's attributes (moby daemon/events.go, LogContainerEventWithAttributes).
import type { NewEvent } from './events.ts'

export interface EventContainer {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
}

/** `more`: what the action adds, e.g. `signal` or `exitCode`. */
export const containerEvent = (
  action: string,
  { id, name, image, labels }: EventContainer,
  more: Readonly<Record<string, string>> = {},
): NewEvent => ({
  Type: 'container',
  Action: action,
  Actor: { ID: id, Attributes: { ...labels, ...more, image, name } },
})
