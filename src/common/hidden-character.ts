/** Joiners and tags of emoji: between two pictographs (👩‍💻), and in the flag of a region (a black flag and its letters). */
const EMOJI_PARTS =
  /(?<=\p{Extended_Pictographic}\uFE0F?\p{Emoji_Modifier}?)\u200D(?=\p{Extended_Pictographic})|(?<=\u{1F3F4})[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]{3,6}\u{E007F}/gu;

/**
 * Controls, halves of a surrogate pair, line and paragraph separators, and what Unicode says is not shown at all (bidi
 * controls, zero-width characters, fillers, tags), but not variation selectors, which choose between shapes.
 */
const HIDDEN = /\p{Cc}|\p{Cs}|\p{Zl}|\p{Zp}|(?!\p{Variation_Selector})\p{Default_Ignorable_Code_Point}/gu;

/**
 * The first invisible character of a text, as `U+202E`; null when there is none. Such characters make one name
 * look like another, or a text read backwards; NUL and half a surrogate pair PostgreSQL cannot even hold.
 * @param allowed control characters that may stand in the text all the same
 */
export function hiddenCharacter(text: string, allowed = ''): string | null {
  for (const [character] of text.replace(EMOJI_PARTS, '').matchAll(HIDDEN)) {
    if (allowed.includes(character)) continue;
    return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  }
  return null;
}
