// The data component links with what it needs (HDF5, zlib) and says what is wrong with a path.
#include <iostream>

#include "voxgrad/data/dataset.h"
#include "voxgrad/engine/error.h"

int main() {
  try {
    voxgrad::data::Dataset::open("/nowhere/at/all.h5");
  } catch (const voxgrad::Error& error) {
    std::cout << error.what() << '\n';
    return error.kind() == voxgrad::ErrorKind::io ? 0 : 1;
  }
  return 1;
}
