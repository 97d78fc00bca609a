# The sources of the build for prediction alone, relative to the root of the tree: infer_kernels are compiled for each
# instruction set, infer_host once. libvoxgrad_infer.a and the one file of amalgamate.cmake are made of them.
get_filename_component(infer_root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(depends CONFIGURE_DEPENDS)
endif()
file(GLOB infer_host ${depends} RELATIVE ${infer_root} ${infer_root}/engine/*.cpp ${infer_root}/engine/io/*.cpp
     ${infer_root}/engine/ops/*.cpp ${infer_root}/nn/*.cpp ${infer_root}/nn/inference/*.cpp)
list(FILTER infer_host EXCLUDE REGEX
     "/(gradcheck|replay|optimizer|schedule|sequential|integrate|matmul|morphology|rank)[.]cpp$")
list(APPEND infer_host engine/cpu/select.cpp engine/cpu/parallel.cpp engine/cpu/pages.cpp engine/cuda/absent.cpp
     apps/embed/arrays.cpp apps/embed/handles.cpp apps/embed/models.cpp)
file(GLOB infer_kernels ${depends} RELATIVE ${infer_root} ${infer_root}/engine/cpu/*.cpp)
list(FILTER infer_kernels EXCLUDE REGEX
     "/(select|parallel|pages)[.]cpp$|/(distance|hinge|integrals.*|label|lovasz|morphology|random|rank)[.]cpp$")
list(FILTER infer_kernels EXCLUDE REGEX "/(segments|skeleton|step)[.]cpp$")
