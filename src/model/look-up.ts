// Tables asked for names that come from outside.

/** The entry of that name, and never one of Object.prototype: `constructor` and `__proto__` are names like any other. */
export const lookUp = <A>(table: Readonly<Record<string, A>>, name: string): A | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
