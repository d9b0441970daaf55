// Azurite 3.35 reads its option --blobKeepAliveTimeout under another name, so that its blob program closes idle connections
// after 5 s, often under a request that is on its way. Azure Storage does not. Remove this once Azurite reads the option.
const { default: BlobEnvironment } = require("./node_modules/azurite/dist/src/blob/BlobEnvironment.js");

BlobEnvironment.prototype.blobKeepAliveTimeout = function () {
  return this.flags.blobKeepAliveTimeout;
};
