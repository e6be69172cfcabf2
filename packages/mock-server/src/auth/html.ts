export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

const style = `:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}
body{max-width:46rem;margin:2rem auto;padding:0 1rem}
label{display:block;margin:.5rem 0}
input[type=text],input[type=password]{display:block;font:inherit;padding:.4rem;width:100%;max-width:20rem;box-sizing:border-box}
fieldset{margin:1rem 0}
button{font:inherit;padding:.5rem 1rem;margin-right:.5rem}
.problem{border-left:.3rem solid #b00;padding-left:.8rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}
pre{overflow-x:auto;padding:.8rem;border:1px solid}`

/** A page that works without scripts and reads well aloud. `body` is HTML already. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
</body>
</html>
`
}
