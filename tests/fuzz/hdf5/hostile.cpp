#include "tests/fuzz/hdf5/hostile.h"

#include <hdf5.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <vector>

#include "engine/random.h"

namespace voxgrad::test {
namespace {

using Extents = std::vector<hsize_t>;

class Hostile {
 public:
  Hostile(const std::string& path, std::uint64_t number) : random_(number) {
    // How often a piece is wrong: in some files nothing is, in others one thing in four.
    share_ = pick<std::uint64_t>({0, 80, 40, 40, 20, 10, 4});
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (below(2) == 0) H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    file_ = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
  }
  ~Hostile() { H5Fclose(file_); }
  Hostile(const Hostile&) = delete;
  Hostile& operator=(const Hostile&) = delete;

  void write() {
    text(file_, "format", rare() ? word() : "voxgrad-dataset");
    if (!rare()) number(file_, "format_version", rare() ? odd_number() : 1);
    if (!rare()) texts(file_, "class_names", rare() ? std::vector<std::string>{word(), word()} : classes());
    if (rare()) number(file_, "ignore_label", odd_number());
    if (rare()) text(file_, "label_map", word());
    if (rare()) text(file_, "class_colours", word());
    if (rare()) text(file_, "spacing_unit", word());
    if (rare()) text(file_, word(), word());
    dims_ = 2 + below(2);
    cases_ = 1 + below(3);
    for (std::size_t i = 0; i < dims_; ++i) space_.push_back(1 + below(9));
    channels_ = 1 + below(3);
    if (below(2) == 0)
      stacked();
    else
      single();
    if (below(3) == 0) splits();
    if (odd()) H5Lcreate_hard(file_, "/", file_, "again", H5P_DEFAULT, H5P_DEFAULT);
    if (odd()) deep();
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_.bits64() % n); }
  bool odd() { return share_ != 0 && below(share_) == 0; }
  bool rare() { return odd() && below(4) == 0; }  // where it hides all the rest
  template <class T>
  T pick(std::initializer_list<T> from) {
    return *(from.begin() + below(from.size()));
  }
  std::string word() {
    return pick<std::string>({"",
                              "a",
                              "NYXC",
                              "YXC",
                              "YX",
                              "0:0,1:99999",
                              "0:0,0:1",
                              "#00000",
                              "mm",
                              "..",
                              "a/b",
                              "/",
                              std::string("a\0b", 3),
                              "\xFF\xFE",
                              "\x1B[2J",
                              std::string(5000, 'x'),
                              "nan",
                              "-1",
                              "voxgrad-logits",
                              "label_map",
                              "axes"});
  }
  std::int64_t odd_number() {
    return pick<std::int64_t>({0, -1, 1, 2, 7, 254, 255, 256, 65536, INT32_MAX, INT64_MAX, INT64_MIN});
  }
  double odd_real() { return pick<double>({0, -1, 1, NAN, HUGE_VAL, -HUGE_VAL, 1e300, 1e-300, 1e30, 5e-324}); }
  std::vector<std::string> classes() const { return {"background", "cell", "wall"}; }

  // A type of this class, or any other.
  hid_t type(hid_t usual) {
    if (!odd()) return H5Tcopy(usual);
    switch (below(14)) {
      case 0: return H5Tcopy(H5T_STD_I64BE);
      case 1: return H5Tcopy(H5T_IEEE_F64LE);
      case 2: return H5Tcopy(H5T_STD_U64LE);
      case 3: return H5Tcopy(H5T_STD_B8LE);
      case 4: return string_type(0);
      case 5: return string_type(5);
      case 6: return string_type(H5T_VARIABLE);
      case 7: return H5Tcreate(H5T_OPAQUE, 1 + below(3000));
      case 8: {
        const hid_t pair = H5Tcreate(H5T_COMPOUND, 12);
        H5Tinsert(pair, "a", 0, H5T_NATIVE_INT);
        H5Tinsert(pair, "b", 4, H5T_NATIVE_DOUBLE);
        return pair;
      }
      case 9: {
        const hsize_t two[]{2, 3};
        return H5Tarray_create2(H5T_NATIVE_INT, 2, two);
      }
      case 10: return H5Tvlen_create(H5T_NATIVE_INT);
      case 11: {
        const hid_t few = H5Tcopy(H5T_STD_I32LE);  // some bits in the middle
        H5Tset_precision(few, 1 + below(20));
        H5Tset_offset(few, below(8));
        return few;
      }
      case 12: {
        const hid_t truth = H5Tenum_create(H5T_NATIVE_INT8);
        std::int8_t value = static_cast<std::int8_t>(below(2));
        H5Tenum_insert(truth, "FALSE", &value);
        value = static_cast<std::int8_t>(1 + below(3));
        H5Tenum_insert(truth, "TRUE", &value);
        return truth;
      }
      default: {
        const hid_t real = H5Tcopy(H5T_IEEE_F32LE);
        H5Tset_fields(real, 15, 10, 5, 0, 10);
        H5Tset_size(real, 2);
        H5Tset_ebias(real, pick<std::size_t>({15, 127, 1}));
        return real;
      }
    }
  }
  hid_t string_type(std::size_t size) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size == 0 ? 1 + below(3) : size);
    if (below(2) == 0) H5Tset_strpad(type, pick<H5T_str_t>({H5T_STR_NULLPAD, H5T_STR_SPACEPAD}));
    return type;
  }

  // How an array is stored.
  hid_t storage(const Extents& extents, std::size_t bytes) {
    const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (odd()) H5Pset_fill_time(list, H5D_FILL_TIME_NEVER);
    const std::size_t kind = extents.empty() ? 0 : below(4);
    if (kind == 1 && bytes < 60000) H5Pset_layout(list, H5D_COMPACT);
    if (odd() && odd()) {
      H5Pset_external(list, "/etc/hostname", 0, H5F_UNLIMITED);
    } else if (odd() && odd()) {
      const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
      H5Pset_virtual(list, space, "/etc/hostname", "/x", space);
      H5Sclose(space);
    } else if (kind >= 2) {
      Extents chunk;
      for (const hsize_t extent : extents)
        chunk.push_back(odd() ? pick<hsize_t>({1, 2, 64, 1024, 65536, hsize_t{1} << 31})
                              : 1 + below(std::clamp<std::size_t>(extent, 1, 64)));
      H5Pset_chunk(list, static_cast<int>(chunk.size()), chunk.data());
      for (std::size_t i = below(4); i > 0; --i) switch (odd() ? below(6) : below(3)) {
          case 0: H5Pset_deflate(list, 1); break;
          case 1: H5Pset_shuffle(list); break;
          case 2: H5Pset_fletcher32(list); break;
          case 3: H5Pset_nbit(list); break;
          case 4: H5Pset_scaleoffset(list, H5Z_SO_INT, 0); break;
          default: H5Pset_szip(list, H5_SZIP_NN_OPTION_MASK, 8); break;
        }
      if (odd()) H5Pset_chunk_opts(list, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS);
      few_chunks_ = std::all_of(chunk.begin(), chunk.end(), [](hsize_t c) { return c < 4096; });
    }
    return list;
  }

  // Makes an array. Few values are written, whatever it claims.
  hid_t array(const std::string& path, hid_t usual, Extents extents, std::size_t largest) {
    for (hsize_t& extent : extents)
      if (odd()) extent = pick<hsize_t>({0, 1, 2, 3, 100, 70000, hsize_t{1} << 31, hsize_t{1} << 40, hsize_t{1} << 62});
    if (odd()) extents.insert(extents.begin(), 1 + below(2));
    if (odd() && !extents.empty()) extents.pop_back();
    if (odd()) extents.resize(below(9), 1);
    double count = 1;
    for (const hsize_t extent : extents) count *= static_cast<double>(extent);
    const hid_t stored = type(usual);
    const std::size_t size = H5Tget_size(stored);
    few_chunks_ = true;
    const hid_t list = storage(extents, static_cast<std::size_t>(std::min(count * static_cast<double>(size), 1e9)));
    Extents most = extents;
    const bool chunked = H5Pget_layout(list) == H5D_CHUNKED;
    if (chunked && odd()) most.assign(extents.size(), H5S_UNLIMITED);
    const hid_t space = extents.empty()
                            ? H5Screate(odd() ? H5S_NULL : H5S_SCALAR)
                            : H5Screate_simple(static_cast<int>(extents.size()), extents.data(), most.data());
    const hid_t made = H5Dcreate2(file_, path.c_str(), stored, space, H5P_DEFAULT, list, H5P_DEFAULT);
    const bool numbers = H5Tget_class(stored) == H5T_INTEGER || H5Tget_class(stored) == H5T_FLOAT;
    if (made >= 0 && count > 0 && count < 100000 && few_chunks_ && numbers && !odd()) {
      std::vector<double> values;
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
        values.push_back(odd() && odd() ? odd_real() : static_cast<double>(below(largest + 1)));
      H5Dwrite(made, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    }
    if (made >= 0 && chunked && count > 0 && count < 100000 &&
        odd()) {  // a chunk of rubbish, and filters that are said to be left out
      const std::string rubbish(1 + below(60), 'x');
      const Extents first(extents.size(), 0);
      H5Dwrite_chunk(made, H5P_DEFAULT, static_cast<std::uint32_t>(below(8)), first.data(), rubbish.size(),
                     rubbish.data());
    }
    H5Sclose(space);
    H5Pclose(list);
    H5Tclose(stored);
    return made;
  }

  void text(hid_t object, const std::string& name, const std::string& value) {
    texts(object, name, odd() ? std::vector<std::string>(below(3), value) : std::vector<std::string>{value}, !odd());
  }
  // Texts of variable or of fixed length; `scalar` if there is one.
  void texts(hid_t object, const std::string& name, const std::vector<std::string>& values, bool scalar = false) {
    if (name.empty()) return;
    const bool variable = below(2) == 0;
    const hid_t type = string_type(variable ? H5T_VARIABLE : 20);
    const hsize_t count = values.size();
    const hid_t space = scalar && count == 1 ? H5Screate(H5S_SCALAR)
                        : count == 0         ? H5Screate(H5S_NULL)
                                             : H5Screate_simple(1, &count, nullptr);
    const hid_t made = H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
    std::string fixed;
    std::vector<const char*> pointers;
    for (const std::string& value : values) {
      pointers.push_back(odd() && odd() ? nullptr : value.c_str());
      fixed += value.substr(0, 20) + std::string(20 - std::min<std::size_t>(value.size(), 20), '\0');
    }
    if (made >= 0 && count > 0)
      H5Awrite(made, type,
               variable ? static_cast<const void*>(pointers.data()) : static_cast<const void*>(fixed.data()));
    if (made >= 0) H5Aclose(made);
    H5Sclose(space);
    H5Tclose(type);
  }
  void number(hid_t object, const std::string& name, std::int64_t value) {
    reals(object, name, {static_cast<double>(value)}, H5T_NATIVE_INT64);
  }
  void reals(hid_t object, const std::string& name, std::vector<double> values, hid_t usual) {
    if (odd()) values.resize(below(40));
    if (odd() && !values.empty()) values[0] = odd_real();
    if (odd()) values.resize(std::size_t{300});
    const hsize_t count = values.size();
    const hid_t stored = type(usual), space = count == 0 ? H5Screate(H5S_NULL) : H5Screate_simple(1, &count, nullptr);
    const hid_t made = H5Acreate2(object, name.c_str(), stored, space, H5P_DEFAULT, H5P_DEFAULT);
    if (made >= 0 && count > 0) H5Awrite(made, H5T_NATIVE_DOUBLE, values.data());
    if (made >= 0) H5Aclose(made);
    H5Sclose(space);
    H5Tclose(stored);
  }

  void describe(hid_t array, const std::string& axes, bool spacing) {
    if (array < 0) return;
    if (!odd()) text(array, "axes", odd() ? word() : axes);
    if (spacing && !odd()) reals(array, "spacing", std::vector<double>(dims_, 0.5), H5T_NATIVE_DOUBLE);
    if (odd()) number(array, "crc32", odd_number());
    if (odd()) text(array, "axistags", pick<std::string>({"{}", "{\"axes\":[{\"key\":\"z\"}]}", "[[[[", word()}));
    H5Dclose(array);
  }
  // An array where another object or a link may be instead.
  void place(const std::string& path, const std::string& axes, hid_t usual, const Extents& extents, std::size_t largest,
             bool spacing) {
    if (odd()) switch (below(4)) {
        case 0: H5Lcreate_soft(path.c_str(), file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT); return;
        case 1: H5Lcreate_external("/etc/hostname", "/x", file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT); return;
        case 2: H5Gclose(H5Gcreate2(file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); return;
        default: return;
      }
    describe(array(path, usual, extents, largest), axes, spacing);
  }
  void strings(const std::string& path, const std::vector<std::string>& values) {
    const hid_t type = string_type(below(2) == 0 ? H5T_VARIABLE : 20);
    const hsize_t count = values.size();
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t made = H5Dcreate2(file_, path.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    std::vector<const char*> pointers;
    std::string fixed;
    for (const std::string& value : values) {
      pointers.push_back(value.c_str());
      fixed += value.substr(0, 20) + std::string(20 - std::min<std::size_t>(value.size(), 20), '\0');
    }
    const bool variable = H5Tis_variable_str(type) > 0;
    if (made >= 0 && !odd())
      H5Dwrite(made, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
               variable ? static_cast<const void*>(pointers.data()) : static_cast<const void*>(fixed.data()));
    if (made >= 0) H5Dclose(made);
    H5Sclose(space);
    H5Tclose(type);
  }

  Extents with(std::initializer_list<hsize_t> before, std::initializer_list<hsize_t> after) const {
    Extents all(before);
    all.insert(all.end(), space_.begin(), space_.end());
    all.insert(all.end(), after);
    return all;
  }
  std::string letters() const { return dims_ == 2 ? "YX" : "ZYX"; }

  void stacked() {
    place("/images", "N" + letters() + "C", pick<hid_t>({H5T_STD_U8LE, H5T_STD_U16BE, H5T_IEEE_F32LE}),
          with({cases_}, {channels_}), 200, true);
    if (below(5) != 0) place("/labels", "N" + letters(), H5T_STD_U8LE, with({cases_}, {}), odd() ? 255 : 2, false);
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < cases_; ++i) ids.push_back(odd() ? word() : "case" + std::to_string(i));
    if (odd()) ids.pop_back();
    if (!odd()) strings("/case_ids", ids);
    if (odd()) strings("/groups", ids);
    if (odd()) place("/label_probabilities", "N" + letters() + "C", H5T_IEEE_F32LE, with({cases_}, {3}), 1, false);
  }
  void single() {
    H5Gclose(H5Gcreate2(file_, "/cases", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    for (std::size_t i = 0; i < cases_; ++i) {
      const std::string path = "/cases/case" + std::to_string(i);
      if (odd()) {
        H5Lcreate_soft("/cases", file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT);
        continue;
      }
      const hid_t group = H5Gcreate2(file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      if (odd()) reals(group, "affine", {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, H5T_NATIVE_DOUBLE);
      if (odd()) text(group, "source", word());
      if (odd()) text(group, "source_kind", odd() ? word() : "NIfTI");
      if (odd()) text(group, "source_orientation", odd() ? word() : "RAS");
      H5Gclose(group);
      if (odd()) place(path + "/source_header", "", H5T_STD_U8LE, {odd() ? hsize_t{90000} : 348}, 255, false);
      place(path + "/image", letters() + "C", H5T_IEEE_F32LE, with({}, {channels_}), 200, true);
      if (!odd()) place(path + "/label", letters(), H5T_STD_U8LE, space_, odd() ? 255 : 2, false);
    }
  }
  void splits() {
    H5Gclose(H5Gcreate2(file_, "/splits", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    for (const char* name : {"train", "test"})
      place(std::string("/splits/") + name, "", H5T_STD_I32LE, {1}, odd() ? 300 : cases_ - 1, false);
    if (odd()) H5Lcreate_hard(file_, "/splits", file_, "/splits/loop", H5P_DEFAULT, H5P_DEFAULT);
  }
  void deep() {
    std::string path;
    for (std::size_t i = pick<std::size_t>({3, 30, 300}); i > 0; --i) {
      path += "/g";
      H5Gclose(H5Gcreate2(file_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
  }

  Random random_;
  std::uint64_t share_ = 0;
  hid_t file_ = -1;
  std::size_t dims_ = 2, cases_ = 1, channels_ = 1;
  Extents space_;
  bool few_chunks_ = true;
};

}  // namespace

void write_hostile(const std::string& path, std::uint64_t number) {
  H5E_auto2_t print = nullptr;
  void* data = nullptr;
  H5Eget_auto2(H5E_DEFAULT, &print, &data);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  Hostile(path, number).write();
  H5Eset_auto2(H5E_DEFAULT, print, data);
}

}  // namespace voxgrad::test
