# Installs the build into a temporary folder and builds and runs the consumer against that.
#   cmake -DBUILD=<build folder> -DTYPE=Release -DGENERATOR=Ninja -DCXX=c++ -P check.cmake
set(prefix ${BUILD}/install_check/prefix)
set(consumer ${BUILD}/install_check/consumer)
file(REMOVE_RECURSE ${BUILD}/install_check)
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --config ${TYPE})
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${consumer} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_BUILD_TYPE=${TYPE} -DCMAKE_PREFIX_PATH=${prefix})
run(${CMAKE_COMMAND} --build ${consumer} --config ${TYPE})
run(${CMAKE_CTEST_COMMAND} --test-dir ${consumer} --build-config ${TYPE} --output-on-failure --no-tests=error)
