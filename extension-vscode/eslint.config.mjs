// Owns the rules of style that a machine can check.
import tseslint from "typescript-eslint";

export default tseslint.config(
    { ignores: ["dist/", "bin/", "node_modules/"] },
    {
        files: ["**/*.ts"],
        extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
        languageOptions: {
            parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
        },
        rules: {
            "@typescript-eslint/no-floating-promises": "error",
            "@typescript-eslint/no-misused-promises": "error",
            "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
            // VS Code's own interfaces are met by shape, not by class.
            "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
            // Numbers in texts are what most texts here are made of.
            "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
            "eqeqeq": "error",
            "no-console": "error",
        },
    },
    {
        files: ["tests/**/*.ts"],
        rules: {
            // node:test returns promises that its runner awaits by itself.
            "@typescript-eslint/no-floating-promises": [
                "error",
                { allowForKnownSafeCalls: [{ from: "package", name: ["test", "describe", "it"], package: "node:test" }] },
            ],
        },
    },
);
