// Many structures in one launch: where each one's atoms, images and pairs are, and all of its pairs.
#pragma once

#include "list.cuh"

// Where a structure's atoms, images, pairs and pairs of charges are.
struct Extent {
    int first, atoms, first_image, images;
    long long first_pair, first_charge_pair;
};

// What a pair of a structure is looked for in.
struct Search {
    const Quad *atoms;
    const double *translations;
    double cutoff2;
};

// Call visit(image, atom, vector, squared distance) for all pairs of an atom of a structure within the
// cutoff, all images of all its atoms being tried; image 0 is the structure's own.
template <class Visit>
__device__ __forceinline__ void each_pair(int atom, const Extent &extent, const Search &search,
                                          Visit visit) {
    const Quad *atoms = search.atoms + extent.first;
    Quad here = atoms[atom];
    for (int image = 0; image < extent.images; ++image) {
        const double *t = search.translations + 3 * (extent.first_image + image);
        for (int j = 0; j < extent.atoms; ++j) {
            double d[3] = {atoms[j].x - (here.x - t[0]), atoms[j].y - (here.y - t[1]),
                           atoms[j].z - (here.z - t[2])};
            double r2 = squared(d);
            if (r2 < search.cutoff2 && (image > 0 || j != atom)) visit(image, j, d, r2);
        }
    }
}
