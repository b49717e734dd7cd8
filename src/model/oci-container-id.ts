// Ids of the containers of an OCI runtime: each names a directory, so no id can lead out of its root.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from './errors.ts'

/** Made by {@link parseOciId} alone. */
export type OciId = string & { readonly __ociId: true }

/** Letters, digits and `_ + - .`, as runc has them (libcontainer/factory_linux.go, validateID); NAME_MAX bytes at most. */
const FORM = /^[A-Za-z0-9_+.-]{1,255}$/

/** Fails: InvalidOption. */
export const parseOciId = (text: string): Either<EngineError, OciId> => {
  if (text === '') return refuse(text, 'container id cannot be empty')
  return FORM.test(text) && text !== '.' && text !== '..'
    ? E.right(text as OciId)
    : refuse(text, 'invalid container id format: letters, digits and _ + - . are allowed')
}

const refuse = (value: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option: 'container id', value, why })
