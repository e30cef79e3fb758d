/**
 * The image that the conditions in force link: arch, notifier design and build.
 * Every built variant is a bundle of this file.
 */
export * from '@mmun/mm';
