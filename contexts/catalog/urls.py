"""Mounted under ``/api/v1/``."""

from django.urls import path

from contexts.catalog.views import customers, files, shop, staff

urlpatterns = [
    path("products", staff.Products.as_view(), name="products"),
    path("products/<str:named>", staff.OneProduct.as_view(), name="product"),
    path("products/<uuid:product_id>/reviews", customers.ProductReviews.as_view(), name="product-reviews"),
    path("products/<uuid:product_id>/variants", staff.ProductVariants.as_view(), name="product-variants"),
    path("categories", shop.CategoryList.as_view(), name="categories"),
    path("me/favourites", customers.FavouriteList.as_view(), name="favourites"),
    path("me/favourites/<uuid:product_id>", customers.FavouriteDetail.as_view(), name="favourite"),
    path("variants/<uuid:variant_id>", staff.OneVariant.as_view(), name="variant"),
    path("variants/<uuid:variant_id>/price", staff.VariantPrice.as_view(), name="variant-price"),
    path("variants/<uuid:variant_id>/stock-alert", customers.StockAlertDetail.as_view(), name="stock-alert"),
    path("price-changes", staff.PriceChanges.as_view(), name="price-changes"),
    path("stock-movements", staff.StockMovements.as_view(), name="stock-movements"),
    path("catalog-imports", files.CatalogImports.as_view(), name="catalog-imports"),
    path("catalog-exports", files.CatalogExports.as_view(), name="catalog-exports"),
    path("reviews", staff.Reviews.as_view(), name="reviews"),
    path("reviews/<uuid:review_id>/approve", staff.ReviewApproval.as_view(), name="review-approve"),
    path("reviews/<uuid:review_id>/reject", staff.ReviewRejection.as_view(), name="review-reject"),
]
