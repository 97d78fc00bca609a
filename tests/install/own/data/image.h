#pragma once

namespace own {
constexpr int kImageHeaders = 1;
}
