/**
 * The style of the pages: the design's tokens that they use, and their parts.
 *
 * Invariants: each token has the value of the web application's design (a test compares them); no part names a colour;
 * pages work in both directions of writing.
 */

/** Name and value of each token, as the design has them. */
export const TOKENS: readonly (readonly [name: string, value: string])[] = [
  ['c-frame', 'light-dark(#f5f4f2, #151412)'],
  ['c-surface', 'light-dark(#ffffff, #1b1a18)'],
  ['c-hover', 'light-dark(#f4f2ef, #23211e)'],
  ['c-press', 'light-dark(#eae7e3, #2d2a26)'],
  ['c-line', 'light-dark(#e5e2dd, #312e2a)'],
  ['c-line-strong', 'light-dark(#cfcac3, #47433d)'],
  ['c-control', 'light-dark(#8a857c, #837d73)'],
  ['c-text', 'light-dark(#1d1b18, #eceae5)'],
  ['c-text-2', 'light-dark(#55514a, #b8b3aa)'],
  ['c-text-3', 'light-dark(#68635b, #9d978d)'],
  ['c-accent', 'light-dark(#0c6170, #6dc2cf)'],
  ['c-accent-hover', 'light-dark(#094d59, #8bd2dc)'],
  ['c-accent-text', 'light-dark(#0b5866, #7accd8)'],
  ['c-accent-soft', 'light-dark(#e2eff1, #17333a)'],
  ['c-accent-line', 'light-dark(#a9cdd3, #2c5761)'],
  ['c-on-accent', 'light-dark(#ffffff, #08242a)'],
  ['c-warn', 'light-dark(#80530a, #e0b462)'],
  ['c-warn-soft', 'light-dark(#faf0da, #352a15)'],
  ['c-bad-solid', 'light-dark(#a92a20, #f09a90)'],
  ['f-sans', 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif'],
  ['t-sm', '12px'],
  ['t-md', '13px'],
  ['s-1', '4px'],
  ['s-2', '8px'],
  ['s-3', '12px'],
  ['s-4', '16px'],
  ['s-6', '24px'],
  ['s-8', '32px'],
  ['r-2', '5px'],
  ['focus', '0 0 0 2px var(--c-surface), 0 0 0 4px var(--c-accent)'],
  ['d-control', '32px'],
  ['d-target', '24px'],
]

export const STYLE = `:root{color-scheme:light dark;${TOKENS.map(([name, value]) => `--${name}:${value}`).join(';')}}
:root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark}
@media (pointer:coarse),(max-width:480px){:root{--d-control:44px;--d-target:44px}}
@media (prefers-contrast:more){:root{--c-text-2:var(--c-text);--c-text-3:var(--c-text);--c-line:var(--c-control)}}
*{box-sizing:border-box}body{margin:0;background:var(--c-surface);color:var(--c-text);font:400 15px/24px var(--f-sans);font-variant-numeric:tabular-nums}
h1,h2,h3,p,ul,ol,dl,dd{margin:0;padding:0}ul,ol{list-style:none}h1,h2,h3{font-size:inherit;line-height:inherit;font-weight:600}
h1{font-size:26px;line-height:34px;letter-spacing:-.02em;text-wrap:balance;overflow-wrap:anywhere}
a{color:var(--c-accent-text);text-decoration-color:var(--c-accent-line);text-underline-offset:2px}
button,input,select,textarea{font:inherit;color:inherit}:focus{outline:none}:focus-visible{box-shadow:var(--focus);border-radius:var(--r-2)}
.wrap{max-width:1080px;margin:0 auto;padding:0 var(--s-6)}.t2{color:var(--c-text-2)}.t3{color:var(--c-text-3)}.sm{font-size:var(--t-md);line-height:20px}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}.extra{position:absolute;inset-inline-start:-100vw}
.skip:not(:focus){position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.top{background:var(--c-frame);border-bottom:1px solid var(--c-line);font-size:var(--t-md)}.top .wrap{display:flex;align-items:center;gap:var(--s-4);min-height:56px}
.brand{display:flex;align-items:center;gap:9px;font-weight:600;font-size:14px;color:var(--c-text);text-decoration:none;min-height:var(--d-target)}.brand svg{width:20px;height:20px;color:var(--c-accent)}
.find{margin-inline-start:auto;width:280px;display:flex;align-items:center;height:var(--d-control);padding:0 10px;background:var(--c-surface);border:1px solid var(--c-control);border-radius:var(--r-2)}
.find:focus-within{box-shadow:var(--focus)}.find input{border:0;background:none;flex:1;min-width:0;padding:0;box-shadow:none}.find input::placeholder{color:var(--c-text-3);opacity:1}
.find+.btn,.brand+.btn{margin-inline-start:0}.brand+.btn{margin-inline-start:auto}
.btn{display:inline-flex;align-items:center;justify-content:center;height:var(--d-control);padding:0 var(--s-3);border:1px solid var(--c-line-strong);border-radius:var(--r-2);background:var(--c-surface);color:var(--c-text);font-size:var(--t-md);font-weight:500;text-decoration:none;white-space:nowrap;cursor:pointer}
.btn:hover{background:var(--c-hover)}.btn.main{background:var(--c-accent);border-color:var(--c-accent);color:var(--c-on-accent)}.btn.main:hover{background:var(--c-accent-hover)}.btn.danger{border-color:var(--c-bad-solid);color:var(--c-bad-solid)}
.link{border:0;background:none;padding:0;cursor:pointer;color:var(--c-text-3);text-decoration:underline;text-decoration-color:var(--c-line-strong);font-size:13px;min-height:var(--d-target)}
.grid{display:grid;grid-template-columns:minmax(0,1fr) 248px;gap:64px;padding-block:var(--s-6)}.grid.one{grid-template-columns:minmax(0,1fr)}
.crumb{display:flex;flex-wrap:wrap;gap:6px;margin-bottom:var(--s-2)}.meta{padding:6px 0 var(--s-4);border-bottom:1px solid var(--c-line-strong);font-size:var(--t-md);color:var(--c-text-3)}
.views{display:flex;flex-wrap:wrap;gap:var(--s-1) var(--s-4);font-size:var(--t-md);padding-block:var(--s-2)}.views a{display:inline-flex;align-items:center;min-height:var(--d-target);text-decoration:none}.views a[aria-current]{color:var(--c-text);font-weight:600;box-shadow:inset 0 -2px 0 var(--c-accent)}
.rows li{display:grid;grid-template-columns:minmax(0,1fr) auto;column-gap:var(--s-4);padding:10px 0;border-bottom:1px solid var(--c-line)}.rows a{overflow-wrap:anywhere;text-decoration:none;font-weight:500;display:inline-block;min-height:24px}.rows a:hover{text-decoration:underline}.rows .who{grid-column:1/-1;font-size:var(--t-md);line-height:20px;color:var(--c-text-3);overflow-wrap:anywhere}.rows time{font-size:var(--t-md);color:var(--c-text-3);white-space:nowrap}.rows h2{padding-top:var(--s-4)}
.post{--in:22px;padding:var(--s-4) 0 var(--s-4) calc(var(--d)*var(--in));border-bottom:1px solid var(--c-line);position:relative;display:grid;gap:var(--s-2)}.d0{--d:0}.d1{--d:1}.d2{--d:2}.d3{--d:3}.d4{--d:4}
.post:not(.d0)::before{content:"";position:absolute;inset-block:18px;inset-inline-start:calc(var(--d)*var(--in) - 14px);border-inline-start:2px solid var(--c-line-strong)}
.post header{display:flex;gap:10px;align-items:baseline;font-size:14px;flex-wrap:wrap}.post header h2{overflow-wrap:anywhere}.post header a{margin-inline-start:auto;text-decoration:none;font-size:13px;white-space:nowrap;color:var(--c-text-3);min-height:24px}
.meta+.text{padding-top:var(--s-4)}::placeholder{color:var(--c-text-3);opacity:1}.text,blockquote{white-space:pre-wrap;overflow-wrap:anywhere;max-width:72ch;margin:0}blockquote{padding-inline-start:12px;border-inline-start:2px solid var(--c-accent-line);color:var(--c-text-2)}
.post footer{display:flex;flex-wrap:wrap;gap:var(--s-1) var(--s-4);font-size:13px;align-items:center}.post footer a{color:var(--c-text-3);text-decoration-color:var(--c-line-strong);display:inline-flex;align-items:center;min-height:var(--d-target)}.post footer form{display:flex}.post:target{background:var(--c-accent-soft)}
.file a{overflow-wrap:anywhere;display:inline-block;min-height:24px}.foot{padding-top:var(--s-4);font-size:var(--t-md);color:var(--c-text-3)}
aside{font-size:var(--t-md);line-height:20px}aside h2{padding-bottom:6px}aside section{margin-bottom:var(--s-6)}.toc li{display:flex;justify-content:space-between;gap:var(--s-2);padding:2px 0 2px calc(var(--d,0)*14px)}.toc a{text-decoration:none;overflow-wrap:anywhere;min-height:24px;display:inline-block}
.form{display:grid;gap:var(--s-4);justify-items:start;max-width:520px;padding-block:var(--s-4)}.form h2{padding-top:var(--s-4)}.field{display:grid;gap:var(--s-1);width:100%}.field>label,.field>.lb{font-weight:500;font-size:14px}fieldset{margin:0;padding:var(--s-2) var(--s-3);border:1px solid var(--c-line-strong);border-radius:var(--r-2);min-width:0}.hint{color:var(--c-text-3);font-size:var(--t-md);line-height:20px}
.field input:not([type=checkbox]),.field textarea,.field select{height:var(--d-control);padding:0 10px;border:1px solid var(--c-control);border-radius:var(--r-2);background:var(--c-surface);width:100%}.field textarea{height:auto;padding:6px 10px;resize:vertical;line-height:20px}.box{display:flex;align-items:center;gap:var(--s-2);min-height:var(--d-target)}.box input{width:18px;height:18px;margin:0;accent-color:var(--c-accent);flex:none}
.acts{display:flex;flex-wrap:wrap;gap:var(--s-2)}section.part{padding-top:var(--s-6)}section.part>h2{font-size:18px;border-bottom:1px solid var(--c-line-strong);padding-bottom:6px}
.note{padding:8px var(--s-3);background:var(--c-hover);border-inline-start:2px solid var(--c-line-strong);color:var(--c-text-2)}.note.warn{background:var(--c-warn-soft);border-color:var(--c-warn);color:var(--c-text)}
@media (max-width:820px){.wrap{padding-inline:var(--s-4)}.top .find{width:auto;flex:1}.top .brand span{display:none}.grid{grid-template-columns:minmax(0,1fr);gap:var(--s-8)}h1{font-size:22px;line-height:28px}.post{--in:16px}.post header{row-gap:0}}
`
