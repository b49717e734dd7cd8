// What is wrong with a template. Thrown inside this folder only; format.ts makes a value of it.
export class TemplateFailure extends Error {}

export const fail = (message: string): never => {
  throw new TemplateFailure(message)
}
