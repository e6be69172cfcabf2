type Optional<Part, Name extends keyof Part> = undefined extends Part[Name] ? Name : never

/** The parts that are not `undefined`. */
type Defined<Part> = {
  [Name in keyof Part as Exclude<Name, Optional<Part, Name>>]: Part[Name]
} & {
  [Name in keyof Part as Optional<Part, Name>]?: Exclude<Part[Name], undefined>
}

/** Leaves out what is `undefined`: a record must not spend room on it, and a caller must not meet it. */
export function defined<Part extends object>(part: Part): Defined<Part> {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as Defined<Part>
}
