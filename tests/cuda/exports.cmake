# A portable program exports nothing of the C++ library that is linked into it: libcudnn would call that instead of its own.
# cmake -DNM=nm -DPROGRAM=test_cuda -P exports.cmake
execute_process(COMMAND ${NM} --dynamic --defined-only ${PROGRAM} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${NM} ${PROGRAM}: ${status}")
endif()
# Weak ones are a few templates of it in our own objects.
string(REGEX MATCHALL " [TDBR] _Z(NK?S|S|T[ISV]S)[^\n]*" standard "${symbols}")
list(LENGTH standard count)
if(count GREATER 0)
  list(GET standard 0 first)
  message(FATAL_ERROR "${PROGRAM} exports ${count} symbols of the C++ library, such as${first}: link it with "
                      "-Wl,--exclude-libs,ALL")
endif()
