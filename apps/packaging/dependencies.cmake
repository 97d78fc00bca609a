# The code of others that voxgrad is built with: one table, from which the README of this folder and the software bill
# of materials (SBOM, SPDX 2.3) of a build come.
#   cmake -DROOT=<source folder> -P dependencies.cmake              compares the table of the README with this one
#   cmake -DROOT=<source folder> -DRENEW=ON -P dependencies.cmake   writes it anew
# name | licence | version tried | where it is used | what for | how it is in the program | home page
set(voxgrad_dependencies
    "CLI11|BSD-3-Clause|2.1.2|the program|the command line|compiled in|https://github.com/CLIUtils/CLI11"
    "nlohmann-json|MIT|3.11.2|the program|JSON|compiled in|https://github.com/nlohmann/json"
    "stb|MIT|2022-09-08|data, the program|PNG, JPEG and the letters of pictures|compiled in|https://github.com/nothings/stb"
    "cpp-httplib|MIT|0.11.4|the program, optional|the live page|compiled in|https://github.com/yhirose/cpp-httplib"
    "HDF5|BSD-3-Clause|1.10.8|data|datasets|linked|https://www.hdfgroup.org"
    "zlib|Zlib|1.2.13|data|compressed files|linked|https://zlib.net"
    "libaec|BSD-2-Clause|1.0.6|HDF5, in a portable build|datasets|linked|https://gitlab.dkrz.de/k202009/libaec"
    "libtiff|libtiff|4.5.0|data, optional|TIFF files|linked|https://libtiff.gitlab.io/libtiff"
    "libwebp|BSD-3-Clause|1.2.4|libtiff, in a portable build|TIFF files|linked|https://developers.google.com/speed/webp"
    "zstd|BSD-3-Clause|1.5.4|libtiff, in a portable build|TIFF files|linked|https://github.com/facebook/zstd"
    "liblzma|LicenseRef-public-domain|5.4.1|libtiff, in a portable build|TIFF files|linked|https://tukaani.org/xz"
    "LERC|Apache-2.0|4.0.0|libtiff, in a portable build|TIFF files|linked|https://github.com/Esri/lerc"
    "JBIG-KIT|GPL-2.0-or-later|2.1|libtiff, in a portable build|TIFF files|linked|https://www.cl.cam.ac.uk/~mgk25/jbigkit"
    "libjpeg-turbo|IJG AND BSD-3-Clause AND Zlib|2.1.5|libtiff, in a portable build|TIFF files|linked|https://libjpeg-turbo.org"
    "libdeflate|MIT|1.14|libtiff, in a portable build|TIFF files|linked|https://github.com/ebiggers/libdeflate"
    "nifti_clib|LicenseRef-public-domain|3.0.1|data, optional|NIfTI files|linked|https://github.com/NIFTI-Imaging/nifti_clib"
    "OpenBLAS|BSD-3-Clause|0.3.21|engine, optional|matrix products where they are faster|loaded|https://www.openblas.net"
    "CUDA|LicenseRef-NVIDIA|12 and newer|engine/cuda, optional|NVIDIA cards|linked|https://developer.nvidia.com/cuda-toolkit"
    "cuDNN|LicenseRef-NVIDIA|9.8 and newer|engine/cuda, optional|convolutions on a card|linked|https://developer.nvidia.com/cudnn"
    "doctest|MIT|2.4.9|tests, optional|the test suite|not in it|https://github.com/doctest/doctest"
    "Emscripten|MIT|3.1.6|apps/playground, optional|the page of the playground|not in it|https://emscripten.org")

# voxgrad_uses(HDF5 1.10.8): this build is made with it; the version is empty where nothing says it.
function(voxgrad_uses name version)
  set_property(GLOBAL APPEND PROPERTY voxgrad_uses "${name}|${version}")
endfunction()

# Writes the bill of materials of this build. SOURCE_DATE_EPOCH gives its time.
function(voxgrad_write_sbom file)
  get_property(uses GLOBAL PROPERTY voxgrad_uses)
  list(REMOVE_DUPLICATES uses)
  list(SORT uses)
  string(SHA256 hash "${PROJECT_VERSION};${uses};${voxgrad_dependencies}")
  string(TIMESTAMP now "%Y-%m-%dT%H:%M:%SZ" UTC)
  set(packages "")
  set(relations "")
  foreach(use IN LISTS uses)
    string(REGEX MATCH "^([^|]+)[|](.*)$" all "${use}")
    set(name "${CMAKE_MATCH_1}")
    set(version "${CMAKE_MATCH_2}")
    set(rows ${voxgrad_dependencies})
    list(FILTER rows INCLUDE REGEX "^${name}[|]")
    if(NOT rows)
      message(FATAL_ERROR "voxgrad_uses(${name}): it is not in the table of apps/packaging/dependencies.cmake")
    endif()
    string(REPLACE "|" ";" row "${rows}")
    list(GET row 1 licence)
    list(GET row 4 purpose)
    list(GET row 5 how)
    list(GET row 6 home)
    string(REGEX REPLACE "[^A-Za-z0-9.]" "-" id "SPDXRef-${name}")
    set(stated "")
    set(purl "pkg:generic/${name}")
    if(home MATCHES "^https://github.com/(.+)$")
      set(purl "pkg:github/${CMAKE_MATCH_1}")
    endif()
    if(version)
      set(stated "\n   \"versionInfo\": \"${version}\",")
      string(APPEND purl "@${version}")
    endif()
    if(licence MATCHES "^LicenseRef")
      set(licence NOASSERTION)
    endif()
    string(APPEND packages ",
  {\"name\": \"${name}\",${stated}
   \"SPDXID\": \"${id}\",
   \"summary\": \"${purpose}\",
   \"downloadLocation\": \"${home}\",
   \"filesAnalyzed\": false,
   \"licenseConcluded\": \"${licence}\",
   \"licenseDeclared\": \"${licence}\",
   \"copyrightText\": \"NOASSERTION\",
   \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", \"referenceType\": \"purl\", \"referenceLocator\": \"${purl}\"}]}")
    set(relation DYNAMIC_LINK)
    if(how STREQUAL "compiled in" OR (VOXGRAD_PORTABLE AND NOT name MATCHES "^(CUDA|cuDNN)$"))
      set(relation STATIC_LINK)
    endif()
    string(APPEND relations ",
  {\"spdxElementId\": \"SPDXRef-voxgrad\", \"relationshipType\": \"${relation}\", \"relatedSpdxElement\": \"${id}\"}")
  endforeach()
  file(WRITE ${file} "{
 \"spdxVersion\": \"SPDX-2.3\",
 \"dataLicense\": \"CC0-1.0\",
 \"SPDXID\": \"SPDXRef-DOCUMENT\",
 \"name\": \"voxgrad-${PROJECT_VERSION}\",
 \"documentNamespace\": \"https://spdx.org/spdxdocs/voxgrad-${PROJECT_VERSION}-${hash}\",
 \"creationInfo\": {\"created\": \"${now}\", \"creators\": [\"Tool: CMake-${CMAKE_VERSION}\"]},
 \"packages\": [
  {\"name\": \"voxgrad\",
   \"versionInfo\": \"${PROJECT_VERSION}\",
   \"SPDXID\": \"SPDXRef-voxgrad\",
   \"downloadLocation\": \"NOASSERTION\",
   \"filesAnalyzed\": false,
   \"licenseConcluded\": \"Apache-2.0\",
   \"licenseDeclared\": \"Apache-2.0\",
   \"copyrightText\": \"NOASSERTION\"}${packages}],
 \"relationships\": [
  {\"spdxElementId\": \"SPDXRef-DOCUMENT\", \"relationshipType\": \"DESCRIBES\", \"relatedSpdxElement\": \"SPDXRef-voxgrad\"}${relations}]
}
")
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE)
  return()
endif()
set(table "| what | licence | tried | used by | for | in the program |\n| --- | --- | --- | --- | --- | --- |\n")
foreach(row IN LISTS voxgrad_dependencies)
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 name)
  list(GET row 1 licence)
  list(GET row 6 home)
  string(REPLACE "LicenseRef-public-domain" "public domain" licence "${licence}")
  string(REPLACE "LicenseRef-NVIDIA" "NVIDIA's" licence "${licence}")
  list(SUBLIST row 2 4 rest)
  list(JOIN rest " | " rest)
  string(APPEND table "| [${name}](${home}) | ${licence} | ${rest} |\n")
endforeach()
set(readme ${ROOT}/apps/packaging/README.md)
file(READ ${readme} text)
string(FIND "${text}" "| what | licence |" begin)
string(SUBSTRING "${text}" ${begin} -1 rest)
string(FIND "${rest}" "\n\n" length)
math(EXPR length "${length} + 1")
string(SUBSTRING "${rest}" 0 ${length} shown)
if(RENEW)
  string(REPLACE "${shown}" "${table}" text "${text}")
  file(WRITE ${readme} "${text}")
elseif(NOT shown STREQUAL table)
  message(FATAL_ERROR "apps/packaging/README.md: the table of dependencies is not that of dependencies.cmake; "
                      "cmake -DROOT=. -DRENEW=ON -P apps/packaging/dependencies.cmake renews it")
endif()
