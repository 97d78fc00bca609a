# Packs the page and the network into one HTML file:
#   cmake -DNETWORK=network.js -DOUTPUT=playground.html -P pack.cmake
# network.wasm is beside network.js. It is compressed, and written as text by the program base64 of the system.
cmake_minimum_required(VERSION 3.22)
string(REGEX REPLACE "[.]js$" ".wasm" wasm ${NETWORK})
file(ARCHIVE_CREATE OUTPUT ${wasm}.gz PATHS ${wasm} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
execute_process(COMMAND base64 INPUT_FILE ${wasm}.gz OUTPUT_VARIABLE binary COMMAND_ERROR_IS_FATAL ANY)

# The parts of the page, by the marks where they belong: @name@ is a line of its own.
set(folder ${CMAKE_CURRENT_LIST_DIR}/page)
file(READ ${folder}/index.html page)
foreach(part style.css shared.js presets.js drawing.js controls.js page.js network.js worker.js)
  file(READ ${folder}/${part} ${part})
endforeach()
file(READ ${NETWORK} glue)
foreach(part IN ITEMS style.css shared.js presets.js drawing.js controls.js page.js network.js worker.js glue binary)
  string(FIND "${${part}}" "</script" at)
  if(at GREATER -1)
    message(FATAL_ERROR "${part}: it would end the script that it is put into")
  endif()
  string(REPLACE "@${part}@\n" "${${part}}" page "${page}")
endforeach()
file(WRITE ${OUTPUT} "${page}")
file(SIZE ${OUTPUT} bytes)
message(STATUS "${OUTPUT}: ${bytes} bytes")
if(bytes GREATER 2000000)
  message(FATAL_ERROR "the page is larger than 2 MB")
endif()
