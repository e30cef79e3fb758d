/** The browser's part, bundled into a text when the package is built. */
declare module '#app' {
  const text: string;
  export default text;
}
declare module '#style' {
  const text: string;
  export default text;
}
