#define VOXGRAD_TEST_MAIN
#include "tests/test.h"
