#include "driver/fake/fake.h"
const struct lg_driver lg_driver_fake = {.name = "fake", .backend = "docker"};
