# Installs the build into a temporary folder and builds and runs the consumer against that, with the compiler of the
# build and with Clang where there is one.
#   cmake -DBUILD=<build folder> -DTYPE=Release -DGENERATOR=Ninja -DCXX=c++ -P check.cmake
set(prefix ${BUILD}/install_check/prefix)
file(REMOVE_RECURSE ${BUILD}/install_check)
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --config ${TYPE})
set(compilers ${CXX})
find_program(clang clang++)
if(clang)
  list(APPEND compilers ${clang})
  list(REMOVE_DUPLICATES compilers)
endif()
foreach(compiler IN LISTS compilers)
  get_filename_component(name ${compiler} NAME)
  set(consumer ${BUILD}/install_check/${name})
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${consumer} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${compiler}
      -DCMAKE_BUILD_TYPE=${TYPE} -DCMAKE_PREFIX_PATH=${prefix})
  run(${CMAKE_COMMAND} --build ${consumer} --config ${TYPE})
  run(${CMAKE_CTEST_COMMAND} --test-dir ${consumer} --build-config ${TYPE} --output-on-failure --no-tests=error)
endforeach()
# Where there is no zlib, all but the component data can be used.
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${BUILD}/install_check/without_zlib -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=${TYPE} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON)
