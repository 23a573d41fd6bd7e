/** Type-aware rules only: what Biome and tsc cannot see. Format and style are Biome's. */

import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'scripts', 'docs', '.tools', '**/*.js', '**/*.mjs'] },
  ...tseslint.configs.strictTypeCheckedOnly,
  {
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // Functions as values are handed over bound or free of `this`; fakes are object literals.
      '@typescript-eslint/unbound-method': 'off',
      // An interface may be asynchronous where this implementation need not wait.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'suite', 'describe', 'it'] },
          ],
        },
      ],
    },
  },
)
