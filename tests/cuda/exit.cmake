# No object of engine/cuda is destroyed when the program ends: by then CUDA's and cuDNN's own statics may be gone, and
# tensors with static storage may still want ours. What would be destroyed registers itself with __cxa_atexit.
# cmake -DNM=nm -DOBJECTS=a.o|b.o.. -P exit.cmake
string(REPLACE "|" ";" objects "${OBJECTS}")
list(FILTER objects INCLUDE REGEX "engine/cuda/(CMakeFiles/voxgrad_cuda\\.dir/.*|[^/]+)\\.o$")  # not those of the emulator
list(LENGTH objects count)
if(count LESS 20)
  message(FATAL_ERROR "${count} objects of engine/cuda, at least 20 expected: ${OBJECTS}")
endif()
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${NM} ${object}: ${status}")
  endif()
  # CUB includes <iostream>, which registers a static of its own. The same source is tested with the emulator's CUB.
  if(symbols MATCHES "__cxa_atexit" AND NOT symbols MATCHES "_ZNSt8ios_base4InitD1Ev")
    list(APPEND found ${object})
  endif()
endforeach()
if(found)
  message(FATAL_ERROR "a static object is destroyed at exit: make it a reference to one that is never destroyed, and say "
                      "why: ${found}")
endif()
