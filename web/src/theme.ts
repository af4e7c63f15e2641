import { createTheme, type MantineColorsTuple } from "@mantine/core";

const teal: MantineColorsTuple = [
  "#e6f7f9",
  "#d0ebef",
  "#a3d7de",
  "#72c2cd",
  "#4bb1be",
  "#31a5b5",
  "#1d91a2",
  "#0b7285",
  "#085f6f",
  "#054c59",
];

export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: 7,
  colors: { teal },
  autoContrast: true,
  // Where black and white on a colour are equally easy to read: one of them has 4.5:1 at least (WCAG 2.2, relative luminance).
  luminanceThreshold: 0.179,
  components: { Anchor: { defaultProps: { underline: "always" } } },
  defaultRadius: "md",
  cursorType: "pointer",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
});
