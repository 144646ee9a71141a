/** The one face of `ms` this project uses; the package ships no types. */
declare module "ms" {
  /** Milliseconds of a text such as `"2h"`; `undefined` or `NaN` when it is none. A bare number would be milliseconds. */
  function ms(text: string): number | undefined;
  export = ms;
}
