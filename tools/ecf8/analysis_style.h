// The style sheet of the page that `ecf8 analyze --html` writes; light and dark by the reader's
// preference.
#ifndef ECF8_TOOLS_ECF8_ANALYSIS_STYLE_H_
#define ECF8_TOOLS_ECF8_ANALYSIS_STYLE_H_

namespace ecf8 {

// Series s0 to s7 are Okabe and Ito's colours, which the colour-blind can tell apart, adapted to
// the background.
inline constexpr char kAnalysisStyle[] = R"css(
:root { color-scheme: light dark; --bg: #fff; --fg: #1b1f24; --dim: #57606a; --line: #d8dee4;
  --card: #f6f8fa; --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b8860b;
  --c5: #7a1f3d; --c6: #6b4fbb; --c7: #5d6770; }
@media (prefers-color-scheme: dark) { :root { --bg: #0f1318; --fg: #e6edf3; --dim: #9aa5b1;
  --line: #2d343c; --card: #181e25; --c0: #56b4e9; --c1: #f0803c; --c2: #2fc79a; --c3: #e39bc4;
  --c4: #f0e442; --c5: #ff9aa8; --c6: #a893f0; --c7: #a9b4be; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 48px; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 4px; }
h3 { font-size: 13px; margin: 0 0 4px; overflow-wrap: anywhere; }
p { margin: 4px 0 12px; max-width: 78ch; }
.dim, figcaption { color: var(--dim); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px;
  margin: 20px 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 14px; }
.card b { display: block; font-size: 22px; line-height: 1.3; }
.grid3 { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 20px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--dim); font-size: 11px; }
.axis { stroke: var(--dim); fill: none; }
.grid { stroke: var(--line); fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.theory { stroke: var(--fg); stroke-width: 1.5; stroke-dasharray: 4 3; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; margin: 8px 0; padding: 0;
  list-style: none; }
.key i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px;
  vertical-align: -1px; }
.key i.dash { height: 0; border-top: 2px dashed var(--fg); border-radius: 0; width: 18px;
  vertical-align: 4px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; width: 100%;
  font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal;
  overflow-wrap: anywhere; min-width: 170px; }
th { color: var(--dim); font-weight: 600; }
tr.all td { font-weight: 600; }
)css"
                                         R"css(
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); } .s3 { --c: var(--c3); }
.s4 { --c: var(--c4); } .s5 { --c: var(--c5); } .s6 { --c: var(--c6); } .s7 { --c: var(--c7); }
.bar, .dot { fill: var(--c); } .dot { fill-opacity: .75; } .bar { fill-opacity: .85; }
.line { stroke: var(--c); } .line.theory { stroke: var(--fg); } .key i { background: var(--c); }
)css";

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_ANALYSIS_STYLE_H_
