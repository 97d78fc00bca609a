# Makes the reference, pages in HTML from the comments of the public headers, with Doxygen. A warning is an error.
#   cmake -DROOT=<source folder> -DOUT=<folder> -P reference.cmake     makes OUT/html/index.html
#   cmake -DSCRATCH=<folder> -P reference.cmake                        proves that every check can fail
cmake_minimum_required(VERSION 3.22)
find_program(DOXYGEN doxygen)
find_program(AWK awk)
if(NOT DOXYGEN OR NOT AWK)
  message("skipped: there is no doxygen, or no awk")
  return()
endif()

# The headers have plain comments. This filter makes them those that Doxygen reads: a comment belongs to the declaration
# behind it, or to that in front of it on the same line. A head of a section, "// --- Text ---", belongs to nothing.
# Indented lines are formulas and examples and keep their layout. All else is text in which no letter is a command.
set(filter [=[
function plain(s,   even) {
  gsub(/[\\@<>#%&]|::/, "\\\\&", s)
  gsub(/[.][.]/, "\\&hellip;", s)
  for (even = 0; sub(/`/, even ? "</tt>" : "<tt>", s); even = !even);
  return s
}
function leave() { if (verbatim) print "/// \\endverbatim"; verbatim = 0 }
FILENAME ~ /voxgrad[.]h$/ {  # C
  if ($0 !~ /\/\* ----/) {
    inside = inside || $0 ~ /^ *\/\*/
    if (inside || $0 ~ /^ *[^#} ].* \/\* /) {
      at = index($0, "/*")
      head = at ? substr($0, 1, at - 1) : ""
      tail = at ? substr($0, at + 2) : $0
      if (at) head = head (inside ? "/**" : "/**<")
      if (NR == 1) head = head " \\file\n *"
      stop = index(tail, "*/")
      end = stop ? substr(tail, stop) : ""
      $0 = head plain(stop ? substr(tail, 1, stop - 1) : tail) end
      if (stop) inside = 0
    }
  }
  print
  next
}
/^ *\/\// {
  at = index($0, "//")
  words = substr($0, at + 2)
  if (at == column) { print substr($0, 1, at - 1) "///<" plain(words); next }
  if (section || words ~ /^ ---/) {
    section = words ~ /^ ---/ ? words !~ /^ ---.*---/ : words !~ /---/
    leave()
    print
    next
  }
  if (words ~ /NOLINT|clang-format/) { print; next }
  if (NR == 1) print "/// \\file"
  item = words ~ /^ (- |[0-9]+[.] )/ || (item && words ~ /^  /)
  if (words ~ /^   *[^ ]/ && !item) {
    if (!verbatim) print "/// \\verbatim"
    verbatim = 1
    print "///" words
    next
  }
  leave()
  print substr($0, 1, at - 1) "///" plain(words)
  next
}
{
  leave()
  column = section = item = 0
  at = match($0, /[;,})]  *\/\/ /)
  if (at && $0 !~ /\/\/ (NOLINT|namespace)/) {
    column = at + RLENGTH - 3
    print substr($0, 1, column - 1) "///<" plain(substr($0, column + 2))
  } else
    print
}
]=])

set(main_page [=[
/** \mainpage voxgrad
The reference of the libraries, from their headers. The chapters in the README of each folder explain them.
- Tensors: voxgrad::Tensor, voxgrad::Shape, their operations in engine/ops.h, derivatives in engine/autograd.h
- Networks: voxgrad::nn::Module, voxgrad::nn::UNet, voxgrad::nn::Optimizer; trained ones: nn/inference/model.h
- Losses: voxgrad::losses::make_loss(), voxgrad::losses::Spec; measures of masks: losses/metrics/metrics.h
- Data: voxgrad::data::Dataset, voxgrad::data::Loader
- The interface for C: voxgrad.h
*/
]=])

# Sets `warnings` to what Doxygen says of the headers below `inputs`, which are separated by spaces.
function(make_reference inputs)
  file(WRITE ${OUT}/filter.awk "${filter}")
  file(WRITE ${OUT}/main.dox "${main_page}")
  file(WRITE ${OUT}/Doxyfile "
PROJECT_NAME = voxgrad
PROJECT_BRIEF = \"deep learning for segmentation\"
INPUT = \"${OUT}/main.dox\" ${inputs}
RECURSIVE = YES
FILE_PATTERNS = *.h
EXCLUDE = engine/cpu engine/cuda engine/ops engine/primitives.h data/phantoms
EXCLUDE_PATTERNS = *_detail.h
FILTER_PATTERNS = \"*.h=${AWK} -f \\\"${OUT}/filter.awk\\\"\"
OUTPUT_DIRECTORY = \"${OUT}\"
STRIP_FROM_PATH = \"${ROOT}\"
STRIP_FROM_INC_PATH = \"${ROOT}\"
EXTRACT_ALL = YES
JAVADOC_AUTOBRIEF = YES
MARKDOWN_SUPPORT = NO
WARN_IF_DOC_ERROR = YES
PREDEFINED = VOXGRAD_HOST_DEVICE=
HAVE_DOT = NO
GENERATE_LATEX = NO
GENERATE_TREEVIEW = YES
HTML_TIMESTAMP = NO
QUIET = YES
")
  execute_process(COMMAND ${DOXYGEN} ${OUT}/Doxyfile WORKING_DIRECTORY ${ROOT} ERROR_VARIABLE warnings RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    set(warnings "${warnings}doxygen: exit code ${code}\n")
  endif()
  set(warnings "${warnings}" PARENT_SCOPE)
endfunction()

if(NOT SCRATCH)
  get_filename_component(ROOT ${ROOT} ABSOLUTE)
  get_filename_component(OUT ${OUT} ABSOLUTE)
  make_reference("engine nn losses data apps/embed/voxgrad.h")
  if(warnings)
    message(FATAL_ERROR "${warnings}")
  endif()
  return()
endif()

set(ROOT ${SCRATCH})
set(OUT ${SCRATCH}/out)
file(REMOVE_RECURSE ${ROOT})
function(expect pattern header)
  file(WRITE ${ROOT}/nn/a.h "${header}")
  make_reference(nn)
  if(NOT warnings MATCHES "${pattern}")
    message(SEND_ERROR "expected \"${pattern}\" for\n${header}\ngot:\n${warnings}")
  endif()
endfunction()
expect("^$" "// The file.\n\n// Adds <one> to `a`, @see 100% of #it:\n//   f(1) = 2\nint f(int a);\nint g();  // the\n          // second\n")
file(READ ${OUT}/html/a_8h.html page)
foreach(words "The file" "Adds &lt;one&gt; to <code>a</code>, @see 100% of #it:" "f(1) = 2" "the second")
  string(FIND "${page}" "${words}" at)
  if(at EQUAL -1)
    message(SEND_ERROR "the page of nn/a.h does not have \"${words}\"")
  endif()
endforeach()
expect("nn.a.h:[0-9]+: warning: End of list marker" "// The file.\n// .\nint f();\n")
file(REMOVE_RECURSE ${ROOT}/nn)
make_reference(nn)
if(NOT warnings MATCHES "does not exist")
  message(SEND_ERROR "a folder that is not there gave no warning:\n${warnings}")
endif()
file(REMOVE_RECURSE ${ROOT})
