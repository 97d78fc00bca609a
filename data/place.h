// Where a case lies and which file it came from, as a group /cases/<id> of an HDF5 file says it (data/README.md).
// Internal to this folder.
#pragma once

#include <optional>
#include <string>

#include "data/formats/image.h"
#include "data/h5/h5.h"
#include "data/h5/h5_writer.h"

namespace voxgrad::data {

// `affine` is that of the order in which the arrays of the group are stored.
void write_place(h5::Writer& out, const std::string& group, const std::optional<Affine>& affine, const Origin& origin);

// Nothing if the object does not say it. Error(data) that names the object for what is damaged.
std::optional<Affine> read_affine(const h5::Object& object);
Origin read_origin(const h5::File& file, const std::string& group);

}  // namespace voxgrad::data
