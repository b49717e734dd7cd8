// A suite in the hands of an ordinary user, who is there as long as it runs; all of it is skipped where there can be none.
import { makeOrdinaryUser, type OrdinaryUser, ordinaryUserNeeds } from '../support/ordinary-user.ts'
import { suite } from '../support/suite.ts'
import { type Archives, writeArchives } from './images.ts'

export interface Hands {
  readonly user: OrdinaryUser
  readonly archives: Archives
}

/** `prepare`: once the user is there, before the first test. */
export const rootlessSuite = (name: string, prepare: (hands: Hands) => void = () => {}) => {
  const Rootless = suite(name)
  const reason = ordinaryUserNeeds()
  let user: OrdinaryUser | undefined
  Rootless.before(() => {
    if (reason !== undefined) return
    user = makeOrdinaryUser()
    prepare({ user, archives: writeArchives(user.folder('archives')) })
  })
  Rootless.after(() => user?.close())
  return {
    test: (title: string, body: () => void | Promise<void>): void => {
      if (reason === undefined) Rootless(title, body)
      else Rootless.skip(title, reason)
    },
    run: () => Rootless.run(),
  }
}
