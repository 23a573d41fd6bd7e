/**
 * How long and from which seed the fuzz targets run. `npm test` and CI repeat the same cases, so
 * that what fails there has been broken by the change at hand; `npm run fuzz` looks for new ones.
 *
 * FUZZ_CASES sets the cases per decoder: 2,000, in CI 10,000, before a release 10⁶. FUZZ_SEED repeats a run,
 * which names its seed in every test; FUZZ_SEED=random takes one nobody has tried.
 */

const ALWAYS_THE_SAME = 20_261_120

function seed(): number {
  const wanted = process.env.FUZZ_SEED
  if (wanted === 'random') return Date.now() % 2 ** 31
  return Number(wanted ?? ALWAYS_THE_SAME)
}

export const CASES = Number(process.env.FUZZ_CASES ?? 2_000)
export const SEED = seed()
