# SPDX-License-Identifier: Apache-2.0
# usage: awk -f tools/layers.awk src/LAYERS $(find src -name '*.[ch]' -o -name '*.cc')
# Enforces the order of folders in src/LAYERS: a folder includes only what its
# line names, and a header that ends in _int.h, and only such a header, is private to its folder.
# A folder with a star is a part: its private header is for the parts of the same folder that name it,
# and no other folder may name it.
function folder_of(path,   f, best) {
	for (f in order)
		if (index(path, f "/") == 1 && length(f) > length(best))
			best = f
	return best == "" ? "(none)" : best
}
function whole_of(folder,   whole) {
	whole = folder
	sub(/\/[^\/]*$/, "", whole)
	return whole
}
function share(from, to) {
	return (from in part) && (to in part) && whole_of(from) == whole_of(to)
}
function complain(text) {
	print text
	bad = 1
}
FILENAME == ARGV[1] {
	if (/^#/ || NF == 0)
		next
	name = $1
	sub(/:$/, "", name)
	if (sub(/\*$/, "", name))
		part[name] = 1
	order[name] = ++count
	allowed[name, name] = 1
	for (i = 2; i <= NF; i++) {
		if (!($i in order))
			complain("LAYERS: " name " names " $i ", which is not defined above it")
		if (($i in part) && !share(name, $i))
			complain("LAYERS: " name " names " $i ", which is a part of " whole_of($i))
		allowed[name, $i] = 1
	}
	next
}
/^[ \t]*#[ \t]*include[ \t]+"/ {
	split($0, quoted, "\"")
	target = quoted[2]
	source = FILENAME
	sub(/^(\.\/)?src\//, "", source)
	from = folder_of(source)
	to = folder_of(target)
	if (!((from, to) in allowed))
		complain(FILENAME ":" FNR ": " from " may not include " to " (" target ")")
	else if (target ~ /_int\.h$/ && from != to && !share(from, to))
		complain(FILENAME ":" FNR ": " target " is private to " to)
	else if (target ~ /(^|[\/_])(priv|private|internal|inside)\.h$/)
		complain(FILENAME ":" FNR ": " target ": the name of a private header ends in _int.h")
}
END { exit bad }
