"""The page that shows .tgs files in a browser: `page.py` puts it together from the other files in this folder.

`page.html`, `viewer.css` and `viewer.js` are the page. `decoder.js` is the browser decoder, which `npm run viewer` in
`web/` makes.
"""
