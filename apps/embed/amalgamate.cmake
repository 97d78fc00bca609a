# Writes voxgrad_infer.h and voxgrad_infer.cpp: the sources of libvoxgrad_infer.a as one file that needs no other.
#   cmake [-DOUTPUT=folder] [-DDEPFILE=file] -P apps/embed/amalgamate.cmake
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/infer_sources.cmake)
if(NOT OUTPUT)
  set(OUTPUT .)
endif()
file(READ ${infer_root}/CMakeLists.txt version)
string(REGEX REPLACE ".*project[(]voxgrad VERSION ([0-9.]+).*" "\\1" version "${version}")

# voxgrad.h up to the section of the losses, and its end.
file(READ ${infer_root}/apps/embed/voxgrad.h header)
string(FIND "${header}" "/* ---- Losses" begin)
string(FIND "${header}" "#ifdef __cplusplus\n}" end)
if(begin LESS 0 OR end LESS begin)
  message(FATAL_ERROR "voxgrad.h: the section of the losses, or the end behind it, was not found")
endif()
string(SUBSTRING "${header}" 0 ${begin} before)
string(SUBSTRING "${header}" ${end} -1 behind)
set(title "/* Of voxgrad.h, version ${version}, the part that opens models and segments with them. */")
set(header "${title}\n${before}${behind}")

set(host "")     # the text that is compiled once
set(kernels "")  # the text that is compiled for each instruction set: the files that name VOXGRAD_ISA
set(system "")   # the lines that include headers of the system
set(seen "")

# Appends a file to one of the two texts, and before it what it includes. A header without #pragma once is repeated,
# and stays in the text that includes it.
function(append file part)
  file(READ ${infer_root}/${file} text)
  if(file MATCHES "[.]cpp$|/voxgrad[.]h$" OR text MATCHES "#pragma once")
    if(file IN_LIST seen)
      return()
    endif()
    set(part host)
    if(text MATCHES "VOXGRAD_ISA")
      set(part kernels)
    endif()
  endif()
  list(APPEND seen ${file})
  if(file STREQUAL "apps/embed/voxgrad.h")
    set(text "${header}")
  endif()
  string(REPLACE "#pragma once\n" "" text "\n${text}")
  # A header of the system under a condition stays where it is; all others come first.
  string(REGEX REPLACE "(\n#if[^\n]*\n)#include <" "\\1# include <" text "${text}")
  string(REGEX MATCHALL "\n#include <[^\n]+" includes "${text}")
  string(REGEX REPLACE "\n#include <[^\n]+" "" text "${text}")
  list(APPEND system ${includes})
  # In a namespace without a name no function is visible outside, and the compiler leaves out what nobody calls.
  string(REGEX MATCHALL "\nnamespace voxgrad[^\n]*{" opened "${text}")
  string(REGEX MATCHALL "\n}  // namespace voxgrad" closed "${text}")
  list(LENGTH opened opened)
  list(LENGTH closed closed)
  if(NOT opened EQUAL closed)
    message(FATAL_ERROR "${file}: a namespace does not end with }  // namespace voxgrad")
  endif()
  string(REGEX REPLACE "\n(namespace voxgrad[^\n]*{)" "\nnamespace { \\1" text "${text}")
  string(REPLACE "\n}  // namespace voxgrad" "\n}}  // namespace voxgrad" text "${text}")
  string(APPEND ${part} "\n// ---- ${file}")
  while(TRUE)
    string(FIND "${text}" "\n#include \"" at)
    if(at LESS 0)
      break()
    endif()
    string(SUBSTRING "${text}" 0 ${at} before)
    string(APPEND ${part} "${before}")
    string(SUBSTRING "${text}" ${at} -1 text)
    string(REGEX MATCH "\n#include \"([^\"]+)\"" line "${text}")
    set(included ${CMAKE_MATCH_1})
    string(LENGTH "${line}" length)
    string(SUBSTRING "${text}" ${length} -1 text)
    append(${included} ${part})
  endwhile()
  string(APPEND ${part} "${text}")
  foreach(variable host kernels system seen)
    set(${variable} "${${variable}}" PARENT_SCOPE)
  endforeach()
endfunction()
foreach(file IN LISTS infer_host ITEMS engine/cpu/isa.h LISTS infer_kernels)
  append(${file} host)
endforeach()
string(REGEX REPLACE "\n\n\n+" "\n\n" host "${host}")
string(REGEX REPLACE "\n\n\n+" "\n\n" kernels "${kernels}")
list(REMOVE_DUPLICATES system)
list(SORT system)
list(JOIN system "" system)

file(WRITE ${OUTPUT}/voxgrad_infer.h "${header}")
file(WRITE ${OUTPUT}/voxgrad_infer.cpp "\
// voxgrad ${version}, the part that opens models and segments with them, as one file. It was written by
// apps/embed/amalgamate.cmake of voxgrad; change the files that are named below instead. Apache License 2.0.
//   g++ -std=c++20 -O2 -c voxgrad_infer.cpp
#ifndef VOXGRAD_ISA
#define VOXGRAD_INFERENCE_ONLY
#define VOXGRAD_VERSION \"${version}\"
#define VOXGRAD_HAS_baseline
#ifdef __x86_64__
#define VOXGRAD_HAS_avx2
#endif
#ifndef NDEBUG
#define NDEBUG
#endif
${system}

// The flags of the build in the tree. Clang has no such pragma, and needs none.
#ifdef __clang__
#pragma clang diagnostic ignored \"-Wunused-function\"
#pragma clang diagnostic ignored \"-Wunused-const-variable\"
#pragma clang diagnostic ignored \"-Wpass-failed\"         // a loop without vectors is still right
#pragma clang diagnostic ignored \"-Winfinite-recursion\"  // a virtual function that another class overrides
#else
#pragma GCC optimize(\"O3,no-math-errno,no-trapping-math\")
#pragma GCC diagnostic ignored \"-Wunused-function\"
#pragma GCC diagnostic ignored \"-Wpsabi\"
#endif
${host}
// The file includes itself for each instruction set. Then only what stands behind the next #else is compiled.
#define VOXGRAD_ISA baseline
#include \"voxgrad_infer.cpp\"
#undef VOXGRAD_ISA
#ifdef VOXGRAD_HAS_avx2
#define VOXGRAD_ISA avx2
#ifdef __clang__
#pragma clang attribute push(__attribute__((target(\"avx2,fma,f16c\"))), apply_to = function)
#include \"voxgrad_infer.cpp\"
#pragma clang attribute pop
#else
#pragma GCC push_options
#include \"voxgrad_infer.cpp\"
#pragma GCC pop_options
#endif
#endif
#else
${kernels}
#endif
")
if(DEPFILE)
  list(REMOVE_DUPLICATES seen)
  list(TRANSFORM seen PREPEND ${infer_root}/)
  list(TRANSFORM seen REPLACE " " "\\\\ ")
  list(JOIN seen " " seen)
  string(REPLACE " " "\\ " output ${OUTPUT}/voxgrad_infer.cpp)
  file(WRITE ${DEPFILE} "${output}: ${seen}\n")
endif()
