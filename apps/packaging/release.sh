#!/bin/sh
# ./dev release VERSION: everything that a release consists of, in build/release-VERSION, from a tree that is ready for
# it. All that is not ready is said at once. RELEASE_DRY=yes stops before the packages, which take minutes, and leaves
# those of an earlier call alone: its folder is build/release-VERSION-dry.
set -eu
cd "$(dirname "$0")/../.."
version=$1
problems=
not_ready() { # WHAT HINT
  printf 'not ready: %s\n  %s\n' "$1" "$2" >&2
  problems=yes
}

# First of all, because it becomes the name of a folder.
expr "$version" : '[0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*$' >/dev/null ||
  { not_ready "$version is no version" "write three numbers, as 0.2.0"; exit 1; }
git rev-parse --verify -q HEAD >/dev/null || { echo "error: release: this is no checkout of git" >&2; exit 1; }
changed=$(git status --porcelain)
[ -z "$changed" ] || not_ready "the tree has changes that are not committed:
$changed" "commit or remove them"
stated=$(sed -n 's/^project(voxgrad VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
[ "$stated" = "$version" ] || not_ready "CMakeLists.txt states the version $stated" "change it in project()"
cmake -DROOT=. "-DVERSION=$version" -P tests/apps/packaging/versions.cmake >/dev/null 2>&1 ||
  not_ready "not every place states $version" "cmake -DROOT=. -DVERSION=$version -P tests/apps/packaging/versions.cmake"
grep -Fq "## [$version]" CHANGELOG.md ||
  not_ready "CHANGELOG.md has no entry" "give what stands under [Unreleased] the head ## [$version] - $(date +%Y-%m-%d)"
[ -n "${RELEASE_DRY:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
  command -v google-chrome >/dev/null ||
  not_ready "there is no Chromium" "install it: the page of the playground is tested in it"
[ -z "$(git tag --list "v$version")" ] || not_ready "there is a tag v$version" "take the next number"
[ -z "$problems" ] || exit 1

out=build/release-$version${RELEASE_DRY:+-dry}
name=voxgrad-$version
rm -rf "$out"  # with the folders that a failed release has left
mkdir -p "$out"
# The same bytes whoever makes it: files and times are those of the commit, and gzip adds none.
git archive --format=tar --prefix="$name/" HEAD | gzip -n9 >"$out/$name-source.tar.gz"
git archive --format=tar --prefix="$name/" HEAD | gzip -n9 | cmp - "$out/$name-source.tar.gz" ||
  not_ready "the source archive has other bytes the second time" "git archive and gzip are said to be reproducible"
[ -z "$problems" ] || { rm -r "$out"; exit 1; }

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
make_packages() {
  ./dev playground  # before the suite is configured, so that the tests of the page are not skipped
  rm -f build/release/CMakeCache.txt  # which may leave parts out
  cmake --preset release -DVOXGRAD_INSTRUCTION_SETS=all
  cmake --build --preset release
  ctest --preset release
  # Each file by itself, with warnings as errors: the check of a change compiles several as one.
  cmake --preset dev
  cmake --build --preset dev
  (cd build/release && cpack -B "../release-$version/cpack")
  cp build/release/voxgrad.spdx.json "$out/$name.spdx.json"
  find "$out/cpack" -maxdepth 1 \( -name '*.tar.gz' -o -name '*.deb' \) -exec mv {} "$out" \;  # .deb: on Debian
  rm -r "$out/cpack"
}
if [ -n "${RELEASE_DRY:-}" ]; then
  echo "would build and test everything, and make the packages; the source archive is what was checked" >&2
else
  make_packages
fi
(cd "$out" && sha256sum -- * >SHA256SUMS && sha256sum --quiet -c SHA256SUMS && cat SHA256SUMS)
if [ -n "${RELEASE_DRY:-}" ]; then
  echo "$version is ready; $out has its source archive and nothing else" >&2
else
  echo "$version is in $out; what is left: git tag -a v$version, and publish" >&2
fi
