# Every place that states the version states the one of project().
# cmake -DROOT=<source folder> -DVERSION=0.1.0 -DSONAME=libvoxgrad.so.0.1 -P versions.cmake
function(expect what seen expected)
  if(NOT seen STREQUAL expected)
    message(SEND_ERROR "${what}: \"${seen}\", expected \"${expected}\"")
  endif()
endfunction()

file(READ ${ROOT}/apps/packaging/vcpkg/vcpkg.json port)
string(JSON version ERROR_VARIABLE error GET "${port}" version)
expect(apps/packaging/vcpkg/vcpkg.json "${version}" ${VERSION})

# The wheel and the Conan recipe read the line in CMakeLists.txt with this expression.
set(expression [[project\(voxgrad VERSION (\S+)]])
foreach(script apps/python/build_wheel.py apps/packaging/conan/conanfile.py)
  file(READ ${ROOT}/${script} text)
  string(FIND "${text}" "re.search(r\"${expression}\"" place)
  if(place EQUAL -1)
    message(SEND_ERROR "${script} does not read the version with ${expression}")
  endif()
endforeach()
string(REPLACE [[\S]] "[^ \n]" expression "${expression}")
file(READ ${ROOT}/CMakeLists.txt text)
string(REGEX MATCH "${expression}" line "${text}")
expect("the version that Python reads in CMakeLists.txt" "${CMAKE_MATCH_1}" ${VERSION})

if(SONAME)  # before 1.0 a minor number may change the interface
  string(REGEX MATCH "^(0[.][0-9]+|[0-9]+)" interface ${VERSION})
  expect("the soname of the C interface" ${SONAME} libvoxgrad.so.${interface})
endif()
